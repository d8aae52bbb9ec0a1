/// A set of figures that are measured together. A new group is one new file that implements this and one line in
/// `BenchmarkGroups.all`.
protocol BenchmarkGroup: Sendable {
  /// What `--only` calls it.
  static var name: String { get }
  /// One line for `--list`.
  static var summary: String { get }
  /// What must be there first; `make bench` sees to it.
  static var needs: [BenchmarkNeed] { get }

  init()

  /// Measures. A figure that misses its target is a figure like any other; throw only where it could not be had.
  func run(_ bench: Bench) throws -> [Figure]
}

/// Raw values are targets of the Makefile.
enum BenchmarkNeed: String, Sendable, CaseIterable {
  case model
  case python
}

enum BenchmarkGroups {
  static let all: [any BenchmarkGroup.Type] = [
    LatencyGroup.self, KernelsGroup.self, PrefillGroup.self, TieringGroup.self, OverheadGroup.self, PlanGroup.self,
    SpillGroup.self, PrefixGroup.self, WeightsGroup.self, RecommendGroup.self, LifeGroup.self, DamageGroup.self,
    PinGroup.self, TransformersGroup.self,
  ]

  /// The groups a comma list names, in the order they run in; all of them where it is nil.
  static func named(_ list: String?) throws(BenchFault) -> [any BenchmarkGroup.Type] {
    guard let list else { return all }
    let names = list.split(separator: ",").map { $0.filter { $0 != " " } }
    let known = all.map { $0.name }
    if let unknown = names.first(where: { !known.contains($0) }) {
      throw .usage("there is no group '\(unknown)': there are \(known.joined(separator: ", "))")
    }
    guard !names.isEmpty else { throw .usage("no group is named: there are \(known.joined(separator: ", "))") }
    return all.filter { names.contains($0.name) }
  }
}

/// Why a benchmark could not run: one line that says what to do, and the exit code of sysexits that fits.
struct BenchFault: Error {
  let message: String
  let exitCode: Int32

  static func usage(_ message: String) -> BenchFault { BenchFault(message: message, exitCode: 64) }
  /// A program or file that should be there is not.
  static func missing(_ message: String) -> BenchFault { BenchFault(message: message, exitCode: 69) }
  static func io(_ message: String) -> BenchFault { BenchFault(message: message, exitCode: 74) }
  /// What ran did something it should not.
  static func failed(_ message: String) -> BenchFault { BenchFault(message: message, exitCode: 70) }
}
