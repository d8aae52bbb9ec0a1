import ModelFiles

/// Spells the turns of a conversation in tokens: control tokens as such, everything else as text.
struct ChatWriter {
  private let tokenizer: Tokenizer
  private var written: [UInt32]
  /// Text since the last control token: it is merged as a whole, as it would be in a text that holds both.
  private var pending = ""

  init(_ tokenizer: Tokenizer) {
    self.tokenizer = tokenizer
    written = tokenizer.beginTokens
  }

  /// All that was written.
  var tokens: [UInt32] {
    written + tokenizer.encode(pending, addedTokens: .asText, isContinuing: !written.isEmpty)
  }

  private mutating func control(_ token: String) {
    // The template was chosen because the vocabulary has them.
    control([tokenizer.addedToken(token)!])
  }

  private mutating func control(_ controls: [UInt32]) {
    written = tokens + controls
    pending = ""
  }

  private mutating func text(_ text: String) { pending += text }

  mutating func chatML(_ messages: [ChatMessage], _ opensReply: Bool) {
    for message in messages {
      control("<|im_start|>")
      text("\(message.role.rawValue)\n\(message.content)")
      control("<|im_end|>")
      text("\n")
    }
    guard opensReply else { return }
    control("<|im_start|>")
    text("assistant\n")
  }

  /// Llama 3's and 4's tokens around a role and behind a turn.
  struct Headers {
    let start: String
    let end: String
    let turnEnd: String
  }

  /// - Parameter system: a system turn in place of the conversation's own.
  mutating func headers(_ messages: [ChatMessage], _ opensReply: Bool, _ headers: Headers, system: String?) {
    var messages = messages[...]
    if let system {
      if messages.first?.role == .system { messages.removeFirst() }
      header("system", headers)
      text("\n\n" + system)
      control(headers.turnEnd)
    }
    for message in messages {
      header(message.role.rawValue, headers)
      text("\n\n" + message.content.trimmed)
      control(headers.turnEnd)
    }
    guard opensReply else { return }
    header("assistant", headers)
    text("\n\n")
  }

  private mutating func header(_ role: String, _ headers: Headers) {
    control(headers.start)
    text(role)
    control(headers.end)
  }

  /// Llama 2 and Mistral: users and assistants in turns, each pair a text of its own.
  mutating func instructions(_ messages: [ChatMessage], _ template: ChatTemplate) throws(TokenizerError) {
    var system: String?
    var turns = messages[...]
    if turns.first?.role == .system { system = turns.removeFirst().content }
    if system != nil, template.style == .mistral {
      throw .unsupportedTurn("system", style: template.style.rawValue)
    }
    for (i, turn) in turns.enumerated() {
      guard turn.role == (i % 2 == 0 ? .user : .assistant) else {
        throw .unsupportedTurn("\(turn.role.rawValue) out of turn", style: template.style.rawValue)
      }
      if turn.role == .user {
        if i > 0, template.style == .llama2 { control(tokenizer.beginTokens) }
        var content = template.style == .llama2 ? turn.content.trimmed : turn.content
        if i == 0, let system { content = "<<SYS>>\n\(system)\n<</SYS>>\n\n\(content)" }
        instruction(content)
      } else {
        text(template.style == .llama2 ? " \(turn.content.trimmed) " : turn.content)
        if let end = tokenizer.description.endTokens.first { control([UInt32(end)]) }
      }
    }
  }

  /// `[INST] content [/INST]`; where brackets are tokens (Mistral's later vocabularies) without a space before the last.
  private mutating func instruction(_ content: String) {
    if tokenizer.addedToken("[INST]") != nil, tokenizer.addedToken("[/INST]") != nil {
      control("[INST]")
      text(" " + content)
      control("[/INST]")
    } else {
      text("[INST] \(content) [/INST]")
    }
  }

  /// The system's words come before the first user's; an assistant is a `model`.
  mutating func gemma(
    _ messages: [ChatMessage], _ opensReply: Bool, takesSystem: Bool
  ) throws(TokenizerError) {
    var messages = messages[...]
    var prefix = ""
    if messages.first?.role == .system {
      guard takesSystem else { throw .unsupportedTurn("system", style: ChatTemplate.Style.gemma.rawValue) }
      prefix = messages.removeFirst().content + "\n\n"
    }
    for message in messages {
      control("<start_of_turn>")
      text("\(message.role == .assistant ? "model" : "user")\n\(prefix)\(message.content.trimmed)")
      control("<end_of_turn>")
      text("\n")
      prefix = ""
    }
    guard opensReply else { return }
    control("<start_of_turn>")
    text("model\n")
  }
}
