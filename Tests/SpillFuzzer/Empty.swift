// With a single source file SwiftPM would look for an entry point in it; libFuzzer brings its own.
