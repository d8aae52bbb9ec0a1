import ControlAPI

/// The host tier by NUMA node.
enum PoolMetrics {
  static func render(_ pools: [PoolStatus], _ page: inout MetricsPage) {
    let families: [(String, String, (PoolStatus) -> Int?)] = [
      ("tierd_pool_budget_bytes", "What the host tier may hold on the node.", \.budgetBytes),
      ("tierd_pool_used_bytes", "What it holds there.", \.usedBytes),
      ("tierd_pool_committed_bytes", "What it has taken of the system there.", \.committedBytes),
      ("tierd_pool_pinned_bytes", "Of that, what stays in memory: locked, or registered with a device.", \.pinnedBytes),
      ("tierd_pool_pageable_bytes", "Of that, what the system may page out.", \.pageableBytes),
      ("tierd_pool_registered_bytes", "Of that, what a device copies from directly.", \.registeredBytes),
      ("tierd_pool_short", "1 while the node is short of memory and new blocks go elsewhere.", { $0.short ? 1 : 0 }),
      ("tierd_node_memory_bytes", "Memory of the node.", \.nodeBytes),
      ("tierd_node_available_bytes", "What could be had of it.", \.nodeAvailableBytes),
    ]
    for (name, help, value) in families {
      page.family(name, .gauge, help) { family in
        for pool in pools { if let value = value(pool) { family.sample([("node", label(pool))], value) } }
      }
    }
    page.family("tierd_pool_page_bytes", .gauge, "What it has taken there in pages of a size.") { family in
      for pool in pools {
        for pages in pool.pages { family.sample([("node", label(pool)), ("page", "\(pages.pageBytes)")], pages.bytes) }
      }
    }
  }

  private static func label(_ pool: PoolStatus) -> String { pool.node.map { "\($0)" } ?? "any" }
}
