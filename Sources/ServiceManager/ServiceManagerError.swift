import Glibc

/// What went wrong between this process and its service manager: one line a user can act on.
public enum ServiceManagerError: Error, Sendable, Hashable {
  /// Nobody to tell: the process was started by hand.
  case absent
  case cannotConnect(address: String, errno: Int32)
  case cannotSend(what: String, errno: Int32)
  case unanswered(what: String, afterMs: Int)
  /// A name no descriptor can have.
  case unusableName(String)
  /// A variable the manager sets does not read as it must.
  case variable(String, value: String)
  /// A descriptor that was announced is not there.
  case missingDescriptor(Int32, errno: Int32)

  public var message: String {
    switch self {
    case .absent: "no service manager started this process (NOTIFY_SOCKET is not set)"
    case .cannotConnect(let address, EAFNOSUPPORT):
      "NOTIFY_SOCKET is \(address.prefix(128)), and only Unix sockets can be had"
    case .cannotConnect(let address, let code):
      "cannot reach the service manager at NOTIFY_SOCKET=\(address.prefix(128)): \(Self.text(code))"
    case .cannotSend(let what, EAGAIN):
      "cannot tell the service manager \(what): it has not read for \(ServiceManager.sendTimeoutMs) ms"
    case .cannotSend(let what, let code): "cannot tell the service manager \(what): \(Self.text(code))"
    case .unanswered(let what, let ms): "the service manager has not answered \(what) within \(ms) ms"
    case .unusableName(let name):
      "'\(name.prefix(64))' cannot name a descriptor: 1 to \(ServiceManager.nameBytesMax) printable ASCII characters "
        + "without a colon can"
    case .variable(let name, let value): "\(name) is '\(value.prefix(64))', which a service manager does not set"
    case .missingDescriptor(let number, let code):
      "the service manager announced descriptor \(number), which cannot be used: \(Self.text(code))"
    }
  }

  private static func text(_ code: Int32) -> String { String(cString: strerror(code)) }
}
