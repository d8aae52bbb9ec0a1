import ServiceManager

/// What the service manager passed, sorted out by what it is for.
struct Activation {
  /// FileDescriptorName= of the socket unit.
  static let workerSocketName = "worker"

  /// A listening socket for workers, and the path it is bound to.
  private(set) var workerSocket: (descriptor: Int32, path: String)?
  /// What an earlier process of the service stored.
  private(set) var memoryFiles: [PassedDescriptor] = []

  /// Throws where a descriptor is not what it is passed for: then a unit file is wrong, and guessing would hide it.
  init(_ passed: [PassedDescriptor]) throws(ActivationFault) {
    for descriptor in passed {
      switch descriptor.kind {
      case .listeningSequentialPacket(let path):
        guard descriptor.name == Self.workerSocketName, workerSocket == nil else {
          throw ActivationFault(
            "the service manager passed a socket named '\(descriptor.name)', and one named '\(Self.workerSocketName)' "
              + "is expected: set FileDescriptorName=\(Self.workerSocketName) in one socket unit")
        }
        workerSocket = (descriptor.descriptor, path)
      case .memoryFile: memoryFiles.append(descriptor)
      case .other(let what):
        throw ActivationFault(
          "the service manager passed '\(descriptor.name)', which is \(what): workers connect to "
            + "ListenSequentialPacket=, and nothing else can be passed")
      }
    }
  }
}

/// What was passed cannot be used: one line that names the unit's setting.
struct ActivationFault: ExitingError, Equatable {
  let message: String
  var exitCode: Int32 { 78 }
  init(_ message: String) { self.message = message }
}

extension ServiceManagerError: ExitingError {
  var exitCode: Int32 {
    switch self {
    case .variable, .cannotConnect, .missingDescriptor, .unusableName: 78
    case .absent, .cannotSend, .unanswered: 74
    }
  }
}
