import ModelFiles

/// One turn of a conversation.
public struct ChatMessage: Sendable, Hashable {
  public enum Role: String, Sendable, Hashable {
    case system
    case user
    case assistant
  }
  public let role: Role
  public let content: String

  public init(_ role: Role, _ content: String) {
    self.role = role
    self.content = content
  }
}

/// Conversations as ChatML: `<|im_start|>role\ncontent<|im_end|>\n` for each turn. What the turns say is text: no one can
/// end a turn from inside it.
public struct ChatML: Sendable {
  private let tokenizer: Tokenizer
  private let turnStart: UInt32
  private let turnEnd: UInt32
  /// What the model's own template says where the conversation has no system turn; nil where it says nothing.
  public let defaultSystem: String?

  /// - Throws: `TokenizerError.noChatTemplate`, `.unsupportedChatTemplate`.
  public init(_ tokenizer: Tokenizer) throws(TokenizerError) {
    guard let template = tokenizer.description.chatTemplate else { throw .noChatTemplate }
    guard template.contains("<|im_start|>"), let turnStart = tokenizer.addedToken("<|im_start|>"),
      let turnEnd = tokenizer.addedToken("<|im_end|>")
    else { throw .unsupportedChatTemplate }
    self.tokenizer = tokenizer
    self.turnStart = turnStart
    self.turnEnd = turnEnd
    defaultSystem = Self.defaultSystem(in: template)
  }

  /// The tokens of `messages`, with the template's system turn if they begin with none of their own, ending where the
  /// assistant is to go on if `opensReply`.
  public func encode(_ messages: [ChatMessage], opensReply: Bool = true) -> [UInt32] {
    var tokens = tokenizer.beginTokens
    if messages.first?.role != .system, let defaultSystem, !messages.isEmpty {
      append(ChatMessage(.system, defaultSystem), to: &tokens)
    }
    for message in messages { append(message, to: &tokens) }
    if opensReply {
      tokens.append(turnStart)
      tokens += tokenizer.encode("assistant\n", addedTokens: .asText)
    }
    return tokens
  }

  private func append(_ message: ChatMessage, to tokens: inout [UInt32]) {
    tokens.append(turnStart)
    tokens += tokenizer.encode("\(message.role.rawValue)\n\(message.content)", addedTokens: .asText)
    tokens.append(turnEnd)
    tokens += tokenizer.encode("\n", addedTokens: .asText)
  }

  /// The literal system turn of a Jinja template: between `<|im_start|>system`, a newline (as such or escaped) and
  /// `<|im_end|>`, if no code is in between.
  static func defaultSystem(in template: String) -> String? {
    for newline in ["\n", "\\n"] {
      guard let start = template.firstRange(of: "<|im_start|>system" + newline)?.upperBound,
        let end = template[start...].firstRange(of: "<|im_end|>")?.lowerBound
      else { continue }
      let text = template[start..<end]
      if !text.isEmpty, !text.contains(where: { "'\"{}".contains($0) }) { return String(text) }
    }
    return nil
  }
}
