import Foundation
import Testing

/// Files that are no model, or none this program can compute: one line that names the file and what is wrong.
@Suite(.serialized) struct ModelFileTests {
  let home: Workspace
  let tokens: String

  init() throws {
    home = try Workspace()
    tokens = try Tokens.tiny(32, in: home)
  }

  private func eval(_ model: String, _ flags: [String] = []) throws -> ChildProcess.Outcome {
    try Worker.eval(model, tokens: tokens, .embedded([]), ["--block-tokens", "16"] + flags, in: home).wait(seconds: 20)
  }

  @Test func missing() throws {
    expectRefusal(try eval("/nowhere/model.gguf"), 74, naming: "/nowhere/model.gguf")
    let empty = try home.makeDirectory("empty")
    expectRefusal(try eval(empty), 74, naming: empty + "/config.json")
  }

  @Test(arguments: [0, 3, 100, 100_000, 50_000_000])
  func truncated(bytes: Int) throws {
    let model = try DamagedModels.truncated(to: bytes, in: home)
    expectRefusal(try eval(model), 78, naming: model)
  }

  @Test func wrongMagic() throws {
    let model = try DamagedModels.gguf({ $0.overwrite(at: 0, with: Array("GGML".utf8)) }, in: home)
    expectRefusal(try eval(model), 78, naming: model, "not a GGUF file")
  }

  /// The counts of tensors and of metadata keys, and the length of the first key.
  @Test(arguments: [8, 16, 24])
  func absurdSizes(at offset: Int) throws {
    let absurd: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0x40]
    let model = try DamagedModels.gguf({ $0.overwrite(at: offset, with: absurd) }, in: home)
    expectRefusal(try eval(model), 78, naming: model)
  }

  @Test func unknownArchitectures() throws {
    // A string: the key, its type, the length, the text.
    let gguf = try DamagedModels.gguf(
      { try $0.overwrite(after: "general.architecture", by: 12, with: Array("mamba".utf8)) }, in: home)
    expectRefusal(try eval(gguf), 78, naming: gguf, "mamba", "llama")
    let directory = try DamagedModels.directory(
      config: ["model_type": "falcon", "architectures": ["FalconForCausalLM"]], in: home)
    expectRefusal(try eval(directory), 78, naming: directory, "falcon")
  }

  @Test func unknownQuantisation() throws {
    // A tensor's entry: the name, the count of dimensions, two dimensions, the type. 16 is IQ2_XXS.
    let model = try DamagedModels.gguf(
      { try $0.overwrite(after: "blk.0.attn_q.weight", by: 20, with: [16, 0, 0, 0]) }, in: home)
    expectRefusal(try eval(model), 78, naming: model, "blk.0.attn_q.weight", "IQ2_XXS", "Q4_K")
  }

  @Test func damagedDirectories() throws {
    let model = try DamagedModels.directory(
      { path in _ = truncate(path + "/model.safetensors", 5000) }, in: home)
    expectRefusal(try eval(model), 78, naming: model + "/model.safetensors")
    try Data(#"{"model_type": "#.utf8).write(to: URL(fileURLWithPath: model + "/config.json"))
    expectRefusal(try eval(model), 78, naming: model + "/config.json")
    try FileManager.default.removeItem(atPath: model + "/model.safetensors")
    try FileManager.default.removeItem(atPath: model + "/config.json")
    try FileManager.default.copyItem(atPath: Sources.tinyModel + "/config.json", toPath: model + "/config.json")
    expectRefusal(try eval(model), 74, naming: model + "/model.safetensors")
  }

  @Test func onlyReadingTextTakesATokenizer() throws {
    let model = try DamagedModels.directory(
      { path in try FileManager.default.removeItem(atPath: path + "/tokenizer.json") }, in: home)
    #expect(try eval(model).ending == .exited(0))
    let run = try Worker.run(model, prompt: "Hello", .embedded([]), in: home)
    expectRefusal(try run.wait(seconds: 10), 74, naming: model + "/tokenizer.json")
  }
}
