// swift-tools-version: 6.2
import Foundation
import PackageDescription

// The arrows between targets point one way: core <- {memory, spill, wire, inference} <- engine <- commands.
// docs/ARCHITECTURE.md has the picture; `--explicit-target-dependency-import-check error` enforces it.

let strict: [SwiftSetting] = [
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
]

let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let protobuf = Target.Dependency.product(name: "SwiftProtobuf", package: "swift-protobuf")
let arguments = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let hummingbird = Target.Dependency.product(name: "Hummingbird", package: "hummingbird")
let lifecycle = Target.Dependency.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let httpTypes = Target.Dependency.product(name: "HTTPTypes", package: "swift-http-types")
let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let unixSignals = Target.Dependency.product(name: "UnixSignals", package: "swift-service-lifecycle")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")

func library(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
  .target(name: name, dependencies: dependencies, swiftSettings: strict)
}

func command(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .executableTarget(name: name, dependencies: dependencies, swiftSettings: strict)
}

func tests(_ name: String, _ dependencies: [Target.Dependency], resources: [Resource] = []) -> Target {
  .testTarget(name: name, dependencies: dependencies, resources: resources, swiftSettings: strict)
}

let package = Package(
  name: "tierd",
  products: [
    .executable(name: "tierd", targets: ["tierd"]),
    .executable(name: "tierctl", targets: ["tierctl"]),
    .executable(name: "tier-worker", targets: ["tier-worker"]),
    .library(name: "FakeCUDADriver", type: .dynamic, targets: ["FakeCUDADriver"]),
  ],
  dependencies: [
    // Block ids and model fingerprints are SHA-256 chains; a vetted implementation, hardware-accelerated.
    .package(url: "https://github.com/apple/swift-crypto.git", from: "4.5.2"),
    // The worker protocol's messages: any language can speak them.
    .package(url: "https://github.com/apple/swift-protobuf.git", from: "1.39.0", traits: []),
    // Command lines with --help, and errors that name the flag.
    .package(url: "https://github.com/apple/swift-argument-parser.git", from: "1.8.2"),
    // HTTP on the control socket. Without traits: no TLS, no Foundation networking.
    .package(url: "https://github.com/hummingbird-project/hummingbird.git", from: "2.28.1", traits: []),
    // Signals and ordered start and stop of the daemon's parts.
    .package(url: "https://github.com/swift-server/swift-service-lifecycle.git", from: "2.13.0"),
    // Structured logs.
    .package(url: "https://github.com/apple/swift-log.git", from: "1.16.2"),
    // The types of requests and of sockets that Hummingbird's interface shows.
    .package(url: "https://github.com/apple/swift-http-types.git", from: "1.5.1"),
    .package(url: "https://github.com/apple/swift-nio.git", from: "2.101.2"),
    // The configuration file is YAML: comments, and sizes as people write them.
    .package(url: "https://github.com/jpsim/Yams.git", from: "6.2.2"),
  ],
  targets: [
    // C: system libraries.
    .systemLibrary(name: "CXXHash", pkgConfig: "libxxhash", providers: [.apt(["libxxhash-dev"])]),
    .systemLibrary(name: "COneDNN", providers: [.apt(["libdnnl-dev"])]),
    // C: our own shims and kernels.
    .target(name: "CLinux"),
    .target(name: "CKernels"),
    // Static where Debian has it: a program that is carried to another machine brings its libraries along. XXH3 with run-time
    // dispatch is in the shared library alone, which dpkg needs too, and so every Debian has.
    .target(name: "CSpillCodec", linkerSettings: [.linkedLibrary(":liblz4.a"), .linkedLibrary("xxhash")]),
    .target(name: "CURing", linkerSettings: [.linkedLibrary(":liburing.a")]),
    // The CUDA driver's binary interface, declared here: nothing of it is needed to build.
    .target(name: "CCUDA"),

    // The pure core.
    library("TierCore"),
    library("TierIdentity", ["TierCore", crypto]),
    library("ModelFiles"),

    // The shells around it, one concept each.
    library("TierMemory", ["TierCore", "CLinux"]),
    library("CUDADriver", ["TierCore", "TierMemory", "CCUDA"]),
    library("TierSpill", ["TierCore", "CLinux", "CSpillCodec", "CURing"]),
    library("TierEngine", ["TierCore", "TierMemory", "TierSpill", "ControlAPI", "CLinux"]),
    .target(
      name: "TierWire", dependencies: ["TierCore", "CLinux", protobuf], exclude: ["Messages/worker.proto"],
      swiftSettings: strict),
    library("ControlAPI", ["TierCore"]),
    library(
      "ControlServer", ["ControlAPI", "TierCore", hummingbird, httpTypes, lifecycle, logging, nioCore, nioPosix]),
    library("ControlClient", ["ControlAPI"]),
    library("TierTrace"),
    library("DaemonConfig", ["TierCore", "ControlAPI", yams]),
    // systemd's notification, descriptor store and socket activation protocols. Own code: they are a datagram and two
    // variables, and the packages there are bring libsystemd along.
    library("ServiceManager", ["CLinux"]),
    library("Inference", ["TierCore", "TierIdentity", "ModelFiles", "CKernels", "COneDNN"]),
    library("TierTesting", ["TierCore", "TierSpill", "TierEngine", "TierWire", "ControlAPI", "CLinux"]),
    // A CUDA driver with host memory behind it, for tests to open in place of a real one.
    .target(name: "FakeCUDADriver", dependencies: ["CCUDA"]),

    // The commands: argument parsing and wiring only.
    command(
      "tierd",
      [
        "TierCore", "TierEngine", "TierMemory", "CUDADriver", "TierSpill", "TierWire", "ControlAPI", "ControlServer",
        "DaemonConfig",
        "ServiceManager", arguments, lifecycle, logging, unixSignals,
      ]),
    command("tierctl", ["TierCore", "ControlAPI", "ControlClient", "ModelFiles", "TierTrace", arguments]),
    command(
      "tier-worker",
      [
        "TierCore", "TierIdentity", "TierEngine", "TierSpill", "TierTrace", "TierWire", "Inference", "ModelFiles",
        arguments, crypto,
      ]),
    command("tier-simulate", ["TierCore", "TierTesting", arguments]),
    // Workers, faults and hostile clients against a real daemon.
    command(
      "tier-stress",
      ["TierCore", "TierTesting", "TierWire", "ControlAPI", "ControlClient", "CLinux", arguments]),
    // Kills a process that writes blocks, again and again, and reads everything back.
    command("spill-crash", ["TierSpill", "TierTesting", "TierCore", arguments]),
    // On a machine with a GPU, from a static binary: conformance and speed of the device tier.
    command(
      "tier-gpu-check",
      [
        "TierCore", "TierMemory", "TierEngine", "TierWire", "TierTesting", "CUDADriver", "ControlAPI", "ControlClient",
        arguments,
      ]),
    .executableTarget(
      name: "tier-bench",
      dependencies: [
        "TierCore", "TierMemory", "TierSpill", "CLinux", "CSpillCodec", "TierWire", "Inference", "ModelFiles",
        "CKernels",
        arguments,
      ],
      exclude: ["transformers_prefill.py", "transformers_tiered.py"], swiftSettings: strict),

    // Tests: one target per library, and real processes end to end.
    tests("TierCoreTests", ["TierCore", "TierTesting"]),
    tests("TierIdentityTests", ["TierIdentity", "TierCore"], resources: [.copy("Fixtures")]),
    tests("ModelFilesTests", ["ModelFiles"]),
    tests("TierTraceTests", ["TierTrace"]),
    tests("TierMemoryTests", ["TierMemory", "TierCore", "CLinux"]),
    tests("TierSpillTests", ["TierSpill", "TierTesting", "TierCore", "CSpillCodec", "CXXHash", "spill-crash"]),
    tests(
      "TierEngineTests", ["TierEngine", "TierMemory", "TierWire", "TierCore", "TierTesting", "ControlAPI", "CLinux"]),
    // The fake driver is a dependency so that it is there to be opened.
    tests("CUDADriverTests", ["CUDADriver", "FakeCUDADriver", "TierMemory", "TierEngine", "TierCore", "TierTesting"]),
    tests("TierWireTests", ["TierWire", "TierCore", "CLinux", protobuf]),
    tests("ServiceManagerTests", ["ServiceManager", "TierTesting", "CLinux"]),
    tests(
      "ControlTests",
      [
        "TierCore", "ControlAPI", "ControlClient", "ControlServer", "DaemonConfig", "ServiceManager", "tierd",
        "tierctl",
        "CLinux", logging,
      ]),
    .testTarget(name: "CKernelsTests", dependencies: ["CKernels"], exclude: ["Fixtures"], swiftSettings: strict),
    tests("InferenceTests", ["Inference", "ModelFiles", "TierCore"], resources: [.copy("Fixtures")]),
    // The programs are dependencies so that they are there to be started.
    tests(
      "EndToEndTests",
      [
        "TierCore", "ControlAPI", "ControlClient", "CLinux", "TierTesting", "TierTrace", "TierWire", "CUDADriver",
        "FakeCUDADriver", "tierd", "tierctl", "tier-worker", "tier-stress",
      ]),
  ],
  swiftLanguageModes: [.v6],
  cLanguageStandard: .c17
)

// libFuzzer drivers, built only when asked for: docs/testing.md says how.
if ProcessInfo.processInfo.environment["TIERD_FUZZ"] != nil {
  package.targets.append(
    .executableTarget(
      name: "frame-fuzzer", dependencies: ["TierWire"], path: "Tests/FrameFuzzer", swiftSettings: strict))
  package.targets.append(
    .executableTarget(
      name: "spill-fuzzer", dependencies: ["TierSpill", "TierCore"], path: "Tests/SpillFuzzer", swiftSettings: strict))
}
