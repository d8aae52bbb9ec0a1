import Glibc

/// Something that goes on in a thread of its own, and is waited for.
public final class Background: @unchecked Sendable {
  private var thread = pthread_t()
  private var result: Result<Void, any Error>?
  private let body: @Sendable () throws -> Void

  public init(_ body: @escaping @Sendable () throws -> Void) {
    self.body = body
    let code = pthread_create(
      &thread, nil,
      { argument in
        let background = Unmanaged<Background>.fromOpaque(argument!).takeRetainedValue()
        background.result = Result { try background.body() }
        return nil
      }, Unmanaged.passRetained(self).toOpaque())
    precondition(code == 0, "cannot start a thread: \(String(cString: strerror(code)))")
  }

  /// Returns when it has ended, and throws what ended it. Once.
  public func wait() throws {
    pthread_join(thread, nil)
    try result!.get()
  }
}
