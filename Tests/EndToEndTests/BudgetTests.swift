import Foundation
import Testing

/// Too little memory is refused at once, with the least that would do; and that does.
@Suite(.serialized) struct BudgetTests {
  let home: Workspace

  init() throws { home = try Workspace() }

  @Test("The smallest budgets named do, and a little less does not", arguments: ["emulated", "none"])
  func embedded(device: String) throws {
    let tokens = try Tokens.tiny(500, in: home)
    func start(_ budgets: [String: Int], diskBudget: String = "16MiB") throws -> ChildProcess {
      let flags = budgets.flatMap { ["--\($0)-budget", "\($1)KiB"] }
      let reading = ["--ordered", "--block-tokens", "16", "--prefill-chunk-size", "64"]
      return try Worker.eval(
        Sources.tinyModel, tokens: tokens, .embedded(["--device", device, "--disk-budget", diskBudget] + flags),
        reading, in: home)
    }
    let resident = try Evaluation(start([:], diskBudget: "0"))

    var budgets = device == "none" ? ["host": 1] : ["host": 1, "device": 1]
    for tier in device == "none" ? ["host"] : ["device", "host"] {
      let refused = try start(budgets).wait(seconds: 10)
      expectRefusal(refused, 78, naming: "the smallest that would do", "--\(tier)-budget")
      let figure = try #require(Self.figure(for: tier, in: refused.error))
      budgets[tier] = figure
    }
    let least = try Evaluation(start(budgets), seconds: 10)
    #expect(least.isIdentical(to: resident))
    #expect(least.tiers.blocks(from: "disk", to: "host") > 0)
    for tier in budgets.keys {
      let less = budgets.merging([tier: budgets[tier]! - 1]) { $1 }
      expectRefusal(try start(less).wait(seconds: 10), 78, naming: "--\(tier)-budget \(budgets[tier]!)KiB")
    }
  }

  /// `--host-budget 40KiB`: 40.
  private static func figure(for tier: String, in line: String) -> Int? {
    let words = line.split { $0 == " " || $0 == "," }
    guard let flag = words.firstIndex(of: "--\(tier)-budget"), flag + 1 < words.count else { return nil }
    return Int(words[flag + 1].dropLast("KiB".count))
  }

  @Test("Through the daemon too, whose budgets can be raised while it runs")
  func daemon() throws {
    let run = try ReferenceRun.shared.get()
    let daemon = try Daemon("daemon", .init(device: "1MiB", host: "1MiB"), in: home)
    let refused = try run.start(.daemon(daemon), in: home).wait(seconds: 10)
    expectRefusal(refused, 78, naming: "the smallest that would do", "--device-budget")
    let figure = try #require(Self.figure(for: "device", in: refused.error))
    // One byte less than what works does not.
    #expect(try daemon.control("set", "--device-budget", "\(figure * 1024 - 1)B").ending == .exited(0))
    let less = try run.start(.daemon(daemon), in: home).wait(seconds: 10)
    expectRefusal(less, 78, naming: "--device-budget \(figure)KiB")
    #expect(try daemon.control("set", "--device-budget", "\(figure)KiB").ending == .exited(0))
    #expect(try Evaluation(run.start(.daemon(daemon), in: home)).isIdentical(to: run.result))
  }

  @Test("A sequence larger than all tiers together is refused with the figures")
  func sequence() throws {
    let tokens = try Tokens.tiny(500, in: home)
    let worker = try Worker.eval(
      Sources.tinyModel, tokens: tokens, .embedded(["--host-budget", "300KiB"]),
      ["--block-tokens", "16", "--prefill-chunk-size", "64"], in: home)
    expectRefusal(try worker.wait(seconds: 10), 78, naming: "372 KiB", "disk budget")
  }

  @Test("A disk budget that holds no segment is refused with the smallest that does, and leaves no directory")
  func disk() throws {
    let tokens = try Tokens.tiny(500, in: home)
    let worker = try Worker.eval(Sources.tinyModel, tokens: tokens, .embedded(["--disk-budget", "4KiB"]), in: home)
    expectRefusal(try worker.wait(seconds: 10), 78, naming: "disk budget of 4 KiB", "the smallest that would do")
    #expect(home.leftovers.isEmpty)
  }
}
