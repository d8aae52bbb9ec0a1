import Glibc
import ModelFiles
import Synchronization

/// Model files are read through maps. Where one becomes shorter meanwhile, reading beyond its end is a SIGBUS: this makes it
/// one line, as for any other change of the file. Any other SIGBUS stays one.
enum ShortenedFile {
  private struct Watched {
    let path: UnsafeMutablePointer<CChar>
    let sizeBytes: Int
    let line: UnsafeMutablePointer<CChar>
  }

  /// Written once, before the handler is there; what the handler touches is allocated ahead.
  private static let isReported = Atomic(false)
  nonisolated(unsafe) private static var watched: UnsafeMutableBufferPointer<Watched>?

  /// Called once, when the files have been opened.
  static func watch(_ files: [MappedFile]) {
    guard watched == nil else { return }
    let entries = UnsafeMutableBufferPointer<Watched>.allocate(capacity: files.count)
    for (i, file) in files.enumerated() {
      let line = "tier-worker: \(file.path): the file became shorter while it was in use: start again\n"
      entries.initializeElement(
        at: i, to: Watched(path: strdup(file.path), sizeBytes: file.identity.sizeBytes, line: strdup(line)))
    }
    watched = entries
    // What is made when it is first used is made here, not in the handler.
    _ = isReported.load(ordering: .relaxed)
    var action = sigaction()
    action.__sigaction_handler.sa_handler = { _ in ShortenedFile.handle() }
    sigaction(SIGBUS, &action, nil)
  }

  /// In the thread that read. Nothing here allocates but the removal of a scratch directory, which that thread, in the
  /// middle of a read, cannot be in the way of.
  private static func handle() {
    for entry in watched ?? UnsafeMutableBufferPointer(start: nil, count: 0) {
      var status = stat()
      guard stat(entry.path, &status) == 0, Int(status.st_size) < entry.sizeBytes else { continue }
      // Several threads may read it at once; one tells.
      while isReported.exchange(true, ordering: .relaxed) { pause() }
      _ = write(STDERR_FILENO, entry.line, strlen(entry.line))
      ScratchDirectory.removeInUse()
      _exit(78)
    }
    // The read is tried again, and ends the process as it would have.
    signal(SIGBUS, SIG_DFL)
  }
}
