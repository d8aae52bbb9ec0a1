import SwiftProtobuf
import TierCore

/// Why bytes are no frame of this protocol, or a message cannot become one. The session that sent them ends.
package enum FrameError: Error, Sendable, Hashable {
  /// Not protobuf, or not one of the messages with fields in their limits.
  case malformed(String)
  /// Longer than `ProtocolLimits.frameBytes`.
  case tooLarge
  /// Descriptors came with a frame that carries none, or not as many as it says.
  case descriptors(String)

  package var message: String {
    switch self {
    case .malformed(let what): "malformed frame: \(what)"
    case .tooLarge: "frame longer than \(ByteCount.text(ProtocolLimits.frameBytes))"
    case .descriptors(let what): "wrong descriptors: \(what)"
    }
  }
}

/// Bytes to messages and back, with the protobuf library's errors made this module's.
enum ProtobufFrame {
  static func decode<M: SwiftProtobuf.Message>(
    _ type: M.Type, _ bytes: UnsafeRawBufferPointer
  ) throws(FrameError) -> M {
    guard bytes.count <= ProtocolLimits.frameBytes else { throw .tooLarge }
    guard !bytes.isEmpty else { throw .malformed("it is empty") }
    do {
      return try M(serializedBytes: [UInt8](bytes))
    } catch {
      throw .malformed("it is not protobuf")
    }
  }

  static func encode(_ message: some SwiftProtobuf.Message) throws(FrameError) -> [UInt8] {
    let bytes: [UInt8]
    do {
      bytes = try message.serializedBytes()
    } catch {
      throw .malformed("\(error)")
    }
    guard bytes.count <= ProtocolLimits.frameBytes else { throw .tooLarge }
    return bytes
  }
}

extension SwiftProtobuf.Message {
  /// A version fixes the fields: those it does not know mean that the peer speaks another.
  func requireOnlyKnownFields() throws(FrameError) {
    guard unknownFields.data.isEmpty else {
      throw .malformed("\(Self.protoMessageName) has a field this version does not know")
    }
  }
}
