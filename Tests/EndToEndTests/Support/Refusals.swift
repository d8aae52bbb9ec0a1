import Testing

/// Expects a program to have given up as it should: by itself, with this code of sysexits, and one line that says what it
/// is about.
func expectRefusal(
  _ outcome: ChildProcess.Outcome, _ code: Int32, naming words: String...,
  sourceLocation: SourceLocation = #_sourceLocation
) {
  #expect(outcome.ending == .exited(code), "\(outcome.error)", sourceLocation: sourceLocation)
  #expect(outcome.errorLines.count == 1, "\(outcome.error)", sourceLocation: sourceLocation)
  #expect(outcome.output.isEmpty, sourceLocation: sourceLocation)
  for word in words {
    #expect(outcome.error.contains(word), "the line is to name \(word)", sourceLocation: sourceLocation)
  }
}
