import Foundation
import Testing

/// What the command line of `tier-worker` may get wrong.
@Suite(.serialized) struct UsageTests {
  let home: Workspace

  init() throws { home = try Workspace() }

  private func eval(tokens: String, _ flags: [String] = []) throws -> ChildProcess.Outcome {
    try Worker.eval(Sources.tinyModel, tokens: tokens, .embedded([]), flags, in: home).wait(seconds: 20)
  }

  private func eval(_ ids: [UInt32], _ flags: [String] = []) throws -> ChildProcess.Outcome {
    try eval(tokens: Tokens.list(ids, in: home), flags)
  }

  @Test func tokens() throws {
    expectRefusal(try eval([5, 96, 6]), 64, naming: "token id 96", "0 to 95")
    expectRefusal(try eval([UInt32.max]), 64, naming: "4294967295")
    expectRefusal(try eval([]), 64, naming: "empty")
    expectRefusal(try eval(tokens: home.path + "/none.json"), 74, naming: home.path + "/none.json")
    for text in ["[1, -2]", "[1, 2.5]", #"{"tokens": [1]}"#, "[1, 2", "[4294967296]", ""] {
      let file = try home.write("bad.json", Data(text.utf8))
      expectRefusal(try eval(tokens: file), 64, naming: file, "[id, id, …]")
    }
    #expect(try eval([7]).ending == .exited(0))
  }

  @Test func prompts() throws {
    func run(_ flags: [String]) throws -> ChildProcess.Outcome {
      try Worker.start(["run", "--embedded", "--model", Sources.tinyModel] + flags, in: home).wait(seconds: 20)
    }
    expectRefusal(try run(["--prompt", ""]), 64, naming: "empty")
    expectRefusal(try run(["--prompt-file", home.write("empty.txt", Data())]), 64, naming: "empty")
    expectRefusal(try run(["--prompt-file", home.path + "/none.txt"]), 74, naming: "none.txt")
    expectRefusal(try run(["--prompt-file", home.write("x.txt", Data([0xFF, 0xFE]))]), 64, naming: "UTF-8")
    expectRefusal(try run([]), 64, naming: "--prompt", "--prompt-file")
    expectRefusal(try run(["--prompt", "x", "--prompt-file", "y"]), 64, naming: "--prompt", "--prompt-file")
    expectRefusal(try run(["--prompt", "x", "--raw", "--max-new-tokens=-1"]), 64, naming: "--max-new-tokens")
  }

  @Test("More than the model was trained for only where that is asked for") func context() throws {
    let tokens = try Tokens.tiny(600, in: home)
    expectRefusal(try eval(tokens: tokens), 64, naming: "600", "512", "--beyond-context")
    #expect(try eval(tokens: tokens, ["--beyond-context"]).ending == .exited(0))
    let grown = try Worker.run(
      Sources.tinyModel, prompt: "a", .embedded([]), ["--raw", "--max-new-tokens", "512"], in: home)
    expectRefusal(try grown.wait(seconds: 20), 64, naming: "512", "--beyond-context")
  }

  @Test func chunksAndBlocks() throws {
    for size in ["0", "100", "-16", "many", "1048592", "9223372036854775807", "1e3"] {
      let outcome = try eval([1, 2, 3], ["--block-tokens", "16", "--prefill-chunk-size=\(size)"])
      expectRefusal(outcome, 64, naming: "--prefill-chunk-size", size, "16")
    }
    for tokens in ["0", "-1", "65537", "10000000"] {
      expectRefusal(try eval([1, 2, 3], ["--block-tokens=\(tokens)"]), 64, naming: "--block-tokens")
    }
    // As large as can be is no more than the prompt, and takes no more memory.
    let huge = try eval([1, 2, 3], ["--block-tokens", "16", "--prefill-chunk-size", "1048576"])
    #expect(huge.ending == .exited(0), "\(huge.error)")
    let tokens = try Tokens.tiny(2000, in: home)
    let manyBlocks = try eval(
      tokens: tokens, ["--beyond-context", "--block-tokens", "1", "--prefill-chunk-size", "2000"])
    expectRefusal(manyBlocks, 64, naming: "2000", "1024")
  }

  @Test func otherFlags() throws {
    expectRefusal(try eval([1], ["--dtype", "f16"]), 64, naming: "f16", "bf16")
    expectRefusal(try eval([1], ["--threads", "0"]), 64, naming: "--threads")
    expectRefusal(try eval([1], ["--device", "cuda:0"]), 64, naming: "cuda:0")
    for flag in ["--host-budget", "--disk-budget"] {
      expectRefusal(try eval([1], [flag, "lots"]), 64, naming: flag, "lots")
    }
    let unwritable = try eval([1], ["--json-file", home.path + "/none/out.json"])
    #expect(unwritable.ending == .exited(74) && unwritable.errorLines.count == 1)
    #expect(home.leftovers.isEmpty)
  }

  @Test func noDaemon() throws {
    let socket = home.path + "/none.sock"
    let tokens = try Tokens.tiny(16, in: home)
    let worker = try Worker.eval(Sources.tinyModel, tokens: tokens, .socket(socket), in: home)
    expectRefusal(try worker.wait(seconds: 5), 69, naming: socket, "tierd", "--embedded")
    let file = try home.write("file", Data())
    let other = try Worker.eval(Sources.tinyModel, tokens: tokens, .socket(file), in: home)
    expectRefusal(try other.wait(seconds: 5), 69, naming: file)
    let tierctl = try ChildProcess(Programs.path(of: "tierctl"), ["--socket", socket, "status"], in: home)
    expectRefusal(try tierctl.wait(seconds: 5), 69, naming: socket, "tierd")
  }
}
