import FoundationEssentials
import Glibc

/// Transformers in a Python process that stays up, loads the model once and times a forward when asked to.
final class TransformersProcess {
  enum DataType: String { case bf16, f32 }

  private struct Answer: Decodable {
    let seconds: Double?
    let versions: String?
    let error: String?
  }

  private let process: Subprocess

  /// Caps oneDNN below AMX. Some hypervisors offer AMX but hide the CPUID leaf where oneDNN looks up the tiles' shape:
  /// its AMX code then dies of an illegal instruction. Both names, for older and newer versions.
  private static let cap = [
    "ONEDNN_MAX_CPU_ISA": "AVX512_CORE_BF16", "DNNL_MAX_CPU_ISA": "AVX512_CORE_BF16",
  ]
  private static let loadLimitS = 600.0
  private static let forwardLimitS = 1800.0

  init(_ bench: Bench, _ prompt: Prompt) throws(BenchFault) {
    let python = try bench.requirePython()
    guard access(bench.pythonScript, R_OK) == 0 else {
      throw .missing("\(bench.pythonScript) is not there: run in the repository's root")
    }
    let environment = try Self.environment(bench, python)
    process = try Subprocess(
      python, [bench.pythonScript, try bench.requireModel(), prompt.tokensPath, "\(bench.threads)"],
      environment: environment, outputPath: nil, errorPath: bench.scratch.path + "/transformers.err")
    let answer = try receive(limitS: Self.loadLimitS)
    bench.note("measured against " + (answer.versions ?? "an unknown version"))
  }

  /// The seconds one prefill takes.
  func prefillS(_ type: DataType) throws(BenchFault) -> Double {
    guard process.pipe?.send(type.rawValue) == true else { throw ended() }
    guard let seconds = try receive(limitS: Self.forwardLimitS).seconds else {
      throw .failed("Transformers answered without a time")
    }
    return seconds
  }

  /// What the process needs in its environment: tried in a process that may die of it.
  static func environment(_ bench: Bench, _ python: String) throws(BenchFault) -> [String: String] {
    bench.progress.show("trying Transformers' instruction sets")
    func probe(_ environment: [String: String]) throws(BenchFault) -> (Subprocess, Subprocess.Ending) {
      let process = try Subprocess(
        python, [bench.pythonScript, "--probe"], environment: environment,
        outputPath: bench.scratch.path + "/probe.out", errorPath: bench.scratch.path + "/probe.err")
      return (process, process.wait(limitS: loadLimitS))
    }
    let (process, ending) = try probe([:])
    if ending == .exited(0) { return [:] }
    guard ending == .killed(signal: SIGILL) else { throw process.fault(ending) }
    let (capped, cappedEnding) = try probe(cap)
    guard cappedEnding == .exited(0) else { throw capped.fault(cappedEnding) }
    bench.note(
      "oneDNN's AMX code dies of an illegal instruction here (SIGILL), so Transformers runs without it: "
        + cap.map { "\($0)=\($1)" }.sorted().joined(separator: " "))
    return cap
  }

  private func receive(limitS: Double) throws(BenchFault) -> Answer {
    guard let line = process.pipe?.receive(limitS: limitS) else { throw ended() }
    let decoder = JSONDecoder()
    guard let answer = try? decoder.decode(Answer.self, from: Data(line.utf8)) else {
      throw .failed("Transformers' process said '\(line)'")
    }
    if let error = answer.error { throw .failed("Transformers: \(error)") }
    return answer
  }

  private func ended() -> BenchFault { process.fault(process.wait(limitS: 1)) }
}
