import FoundationEssentials

/// The script that runs Transformers with its KV in tierd, and without: one process, lines in and lines of JSON out.
final class TieredTransformers {
  struct Answer: Decodable {
    let seconds: Double?
    let bytes: Double?
    let graphs: [Double]?
    let versions: String?
    let error: String?
  }

  private let process: Subprocess

  /// - Parameters:
  ///   - mode: what the script is asked for first, and its arguments.
  ///   - environment: what torch needs on this machine.
  init(_ bench: Bench, _ mode: [String], environment: [String: String]) throws(BenchFault) {
    let python = try bench.requirePython()
    process = try Subprocess(
      python, ["-W", "ignore", bench.tieredScript] + mode, environment: environment, outputPath: nil,
      errorPath: bench.scratch.path + "/tiered-transformers.err")
  }

  /// The next answer, after `request` where there is one. Fails where the script says an error, or nothing in time.
  func answer(to request: String? = nil, limitS: Double = 7200) throws(BenchFault) -> Answer {
    if let request, process.pipe?.send(request) != true { throw process.fault(process.wait(limitS: 1)) }
    guard let line = process.pipe?.receive(limitS: limitS) else { throw process.fault(process.wait(limitS: 1)) }
    guard let answer = try? JSONDecoder().decode(Answer.self, from: Data(line.utf8)) else {
      throw .failed("the script said '\(line)'")
    }
    if let error = answer.error { throw .failed("Transformers with tierd: \(error)") }
    return answer
  }
}
