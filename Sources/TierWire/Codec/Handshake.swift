import FoundationEssentials
import SwiftProtobuf
import TierCore

/// The versions of the worker protocol this code speaks.
package enum ProtocolVersion {
  package static let min: UInt32 = 1
  package static let max: UInt32 = 3
  /// The first with traces.
  package static let traces: UInt32 = 2
  /// The first whose plans say how far back each layer reads.
  package static let reach: UInt32 = 2
  /// The first whose arenas may be memory of a CUDA device.
  package static let deviceMemory: UInt32 = 3
  /// The rule by which clients compute block ids: docs/protocol.md, "Block ids".
  package static let blockIDRule: UInt32 = 1
}

/// The first frame of a connection, from the client.
package struct Hello: Sendable, Hashable {
  package var minVersion: UInt32
  package var maxVersion: UInt32
  package var clientName: String

  package init(minVersion: UInt32, maxVersion: UInt32, clientName: String) {
    self.minVersion = minVersion
    self.maxVersion = maxVersion
    self.clientName = clientName
  }

  /// The newest version both speak; nil if there is none.
  package func agreedVersion() -> UInt32? {
    let newest = min(maxVersion, ProtocolVersion.max)
    return newest >= max(minVersion, ProtocolVersion.min) ? newest : nil
  }
}

extension Hello {
  var message: WireHello {
    .with {
      $0.minVersion = minVersion
      $0.maxVersion = maxVersion
      $0.clientName = clientName.clipped(toBytes: ProtocolLimits.clientNameBytes)
    }
  }

  /// Fields a later version may have added are let pass: this is the frame versions are told apart by.
  init(_ message: WireHello) throws(FrameError) {
    guard message.minVersion >= 1, message.minVersion <= message.maxVersion else {
      throw .malformed("versions \(message.minVersion) to \(message.maxVersion)")
    }
    _ = try Field.checked(
      message.clientName.utf8.count, "bytes of the client's name", atMost: ProtocolLimits.clientNameBytes)
    guard message.clientName.unicodeScalars.allSatisfy(Self.isPrintable) else {
      throw .malformed("the client's name has characters that do not print")
    }
    self.init(minVersion: message.minVersion, maxVersion: message.maxVersion, clientName: message.clientName)
  }

  /// The name ends up in logs and on terminals.
  static func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator: false
    default: true
    }
  }
}

/// The server's answer to a hello it accepts.
package struct Welcome: Sendable, Hashable {
  package var version: UInt32
  package var blockIDRule: UInt32
  package var store: StoreInstance
  package var frameBytes: Int
  package var blocksPerRequest: Int
  package var descriptors: Int

  package init(version: UInt32, store: StoreInstance) {
    self.version = version
    self.store = store
    blockIDRule = ProtocolVersion.blockIDRule
    frameBytes = ProtocolLimits.frameBytes
    blocksPerRequest = ProtocolLimits.blocksPerRequest
    descriptors = ProtocolLimits.descriptorsPerMessage
  }
}

extension Welcome {
  var message: WireWelcome {
    .with {
      $0.version = version
      $0.blockIDRule = blockIDRule
      $0.storeInstance = Data(store.bytes)
      $0.maxFrameBytes = UInt32(clamping: frameBytes)
      $0.maxBlocksPerRequest = UInt32(clamping: blocksPerRequest)
      $0.maxDescriptors = UInt32(clamping: descriptors)
    }
  }

  init(_ message: WireWelcome) throws(FrameError) {
    guard let store = StoreInstance(bytes: [UInt8](message.storeInstance)) else {
      throw .malformed("a store instance of \(message.storeInstance.count) bytes")
    }
    self.init(version: message.version, store: store)
    blockIDRule = message.blockIDRule
    frameBytes = try Field.checked(message.maxFrameBytes, "frame limit", atMost: ProtocolLimits.frameBytes)
    blocksPerRequest = try Field.checked(message.maxBlocksPerRequest, "limit of blocks", atMost: Int(Int32.max))
    descriptors = try Field.checked(
      message.maxDescriptors, "limit of descriptors", atMost: ProtocolLimits.descriptorsPerMessage)
  }
}

/// The server's last frame, where there is something to say.
package struct Failure: Sendable, Hashable {
  package enum Kind: Sendable, Hashable, CaseIterable {
    case malformed, incompatible, unavailable
  }
  package var kind: Kind
  package var text: String

  package init(_ kind: Kind, _ text: String) {
    self.kind = kind
    self.text = text
  }
}

extension Failure {
  var message: WireFailure {
    .with {
      $0.message = text.clipped(toBytes: Field.textBytesMax)
      switch kind {
      case .malformed: $0.kind = .malformed
      case .incompatible: $0.kind = .incompatible
      case .unavailable: $0.kind = .unavailable
      }
    }
  }

  init(_ message: WireFailure) throws(FrameError) {
    let text = try Field.text(message.message, "text of a failure")
    switch message.kind {
    case .malformed: self.init(.malformed, text)
    case .incompatible: self.init(.incompatible, text)
    case .unavailable: self.init(.unavailable, text)
    case .unspecified, .UNRECOGNIZED: throw .malformed("a failure of no known kind")
    }
  }
}
