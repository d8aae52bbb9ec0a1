import TierCore
import TierMemory

/// Copiers of one link: one for each node of the host, whose threads run on the node they copy from. Where there is one node,
/// or a link with a speed of its own, there is one copier.
final class NodeCopiers: BlockMover {
  private let copiers: [Copier]
  /// By their copier's place.
  private let nodes: [Int]

  /// - Parameter nodes: of the host's pools.
  init(
    name: String, nodes: [Int], system: HostMemorySystem, bytesPerSecond: Int?,
    finish: @escaping @Sendable ([EndedMove]) -> Void
  ) {
    guard nodes.count > 1, bytesPerSecond == nil else {
      self.nodes = []
      copiers = [Copier(name: name, threads: 1, bytesPerSecond: bytesPerSecond, finish: finish)]
      return
    }
    self.nodes = nodes
    copiers = nodes.enumerated().map { place, node in
      Copier(
        name: "\(name)-n\(node)", threads: 1, bytesPerSecond: nil, cpus: system.cpus(near: node),
        firstMover: place % 64,
        finish: finish)
    }
  }

  func push(_ job: CopyJob, node: Int?) {
    let place = node.flatMap { nodes.firstIndex(of: $0) } ?? 0
    copiers[place].push(job)
  }

  var isDivided: Bool { copiers.count > 1 }
  var progress: [WorkProgress] { copiers.map(\.progress) }

  func stop() { for copier in copiers { copier.stop() } }
}
