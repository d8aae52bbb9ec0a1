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

/// How a model wants conversations spelled. Its template is a program (Jinja); what it prints is written by hand here for the
/// families there are, and a template is known by the tokens it names. What the turns say is text: no one can end a turn
/// from inside it.
public struct ChatTemplate: Sendable {
  /// The families of templates.
  public enum Style: String, Sendable, CaseIterable {
    /// `<|im_start|>role\ncontent<|im_end|>\n` (Qwen, SmolLM)
    case chatML = "ChatML"
    /// `<|start_header_id|>role<|end_header_id|>\n\ncontent<|eot_id|>`
    case llama3 = "Llama 3"
    /// `<|header_start|>role<|header_end|>\n\ncontent<|eot|>`
    case llama4 = "Llama 4"
    /// `[INST] <<SYS>>\nsystem\n<</SYS>>\n\ncontent [/INST] answer </s>`
    case llama2 = "Llama 2"
    /// `[INST] content [/INST]answer</s>`
    case mistral = "Mistral"
    /// `<start_of_turn>role\ncontent<end_of_turn>\n`
    case gemma = "Gemma"
  }

  public let style: Style
  /// What the model's own template says where the conversation has no system turn; nil where it says nothing.
  public let defaultSystem: String?
  let tokenizer: Tokenizer
  let template: String

  /// - Throws: `TokenizerError.noChatTemplate`, `.unsupportedChatTemplate`.
  public init(_ tokenizer: Tokenizer) throws(TokenizerError) {
    guard let template = tokenizer.description.chatTemplate else { throw .noChatTemplate }
    guard let style = Style.allCases.first(where: { $0.isSpoken(by: template, tokenizer) }) else {
      throw .unsupportedChatTemplate(beginning: String(template.prefix(60)))
    }
    self.style = style
    self.tokenizer = tokenizer
    self.template = template
    defaultSystem = style == .chatML ? Self.chatMLSystem(in: template) : nil
  }

  /// The tokens of `messages`, with the template's system turn if they begin with none of their own, ending where the
  /// assistant is to go on if `opensReply`.
  /// - Throws: `TokenizerError.unsupportedTurn` where the template has no place for one.
  public func encode(_ messages: [ChatMessage], opensReply: Bool = true) throws(TokenizerError) -> [UInt32] {
    var messages = messages
    if messages.first?.role != .system, let defaultSystem, !messages.isEmpty {
      messages.insert(ChatMessage(.system, defaultSystem), at: 0)
    }
    var writer = ChatWriter(tokenizer)
    switch style {
    case .chatML: writer.chatML(messages, opensReply)
    case .llama3: writer.headers(messages, opensReply, Self.llama3, system: llama3System(messages))
    case .llama4: writer.headers(messages, opensReply, Self.llama4, system: nil)
    case .llama2, .mistral: try writer.instructions(messages, self)
    case .gemma: try writer.gemma(messages, opensReply, takesSystem: !template.contains("System role not supported"))
    }
    return writer.tokens
  }

  private static let llama3 = ChatWriter.Headers(
    start: "<|start_header_id|>", end: "<|end_header_id|>", turnEnd: "<|eot_id|>")
  private static let llama4 = ChatWriter.Headers(start: "<|header_start|>", end: "<|header_end|>", turnEnd: "<|eot|>")

  /// Llama 3.1 and later begin with what they know of time: as their template does where nobody tells it the date.
  private func llama3System(_ messages: [ChatMessage]) -> String? {
    guard template.contains("Cutting Knowledge Date: December 2023") else { return nil }
    let system = messages.first.map { $0.role == .system ? $0.content.trimmed : "" } ?? ""
    return "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n" + system
  }

  /// The literal system turn of a ChatML template: between `<|im_start|>system`, a newline (as such or escaped) and
  /// `<|im_end|>`, if no code is in between.
  static func chatMLSystem(in template: String) -> String? {
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

extension ChatTemplate.Style {
  /// Whether the template names this style's tokens, and the vocabulary has them.
  func isSpoken(by template: String, _ tokenizer: Tokenizer) -> Bool {
    func has(_ tokens: String...) -> Bool {
      template.contains(tokens[0]) && tokens.allSatisfy { tokenizer.addedToken($0) != nil }
    }
    return switch self {
    case .chatML: has("<|im_start|>", "<|im_end|>")
    case .llama3: has("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")
    case .llama4: has("<|header_start|>", "<|header_end|>", "<|eot|>")
    case .llama2: template.contains("[INST]") && template.contains("<<SYS>>")
    case .mistral: template.contains("[INST]")
    case .gemma: has("<start_of_turn>", "<end_of_turn>")
    }
  }
}

extension String {
  /// Without white space at its ends, as Jinja's `trim` leaves it.
  var trimmed: String {
    guard let first = unicodeScalars.firstIndex(where: { !$0.properties.isWhitespace }),
      let last = unicodeScalars.lastIndex(where: { !$0.properties.isWhitespace })
    else { return "" }
    return String(unicodeScalars[first...last])
  }
}
