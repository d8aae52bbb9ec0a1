import Glibc

/// What every group is given: where things are, and how much to do.
struct Bench: Sendable {
  /// The directory of tierd and tier-worker.
  let programs: String
  let model: String
  /// A long real text.
  let text: String
  /// The interpreter of the virtual environment with Transformers.
  let python: String
  let pythonScript: String
  /// The same for what the Python package does.
  let tieredScript: String
  let threads: Int
  /// Pairs of alternating runs; nil for each group's own number.
  let pairs: Int?
  let scratch: ScratchDirectory
  let progress: ProgressLine

  func program(_ name: String) throws(BenchFault) -> String {
    let path = programs + "/" + name
    guard access(path, X_OK) == 0 else {
      throw .missing("\(path) is not there: build it (make bench does), or name its directory with --programs")
    }
    return path
  }

  func requireModel() throws(BenchFault) -> String {
    guard access(model, R_OK) == 0 else {
      throw .missing("the model \(model) is not there: make model fetches it, or name another with --model")
    }
    return model
  }

  func requirePython() throws(BenchFault) -> String {
    guard access(python, X_OK) == 0 else {
      throw .missing("\(python) is not there: make python installs it, or name another with --python")
    }
    return python
  }

  /// A line about what was done or found, for people: not a figure.
  func note(_ text: String) {
    progress.clear()
    print("note: " + text)
  }
}
