import ControlAPI

extension StatusReply {
  /// What each tenant has, is promised and may have; labelled with the name it is configured with.
  func renderTenants(_ page: inout MetricsPage) {
    let shares: [(String, String, (TenantStatus.Share) -> Int?)] = [
      (
        "tierd_tenant_used_bytes", "What a tenant has of a tier: blocks kept, or records, and what is reserved.",
        \.usedBytes
      ),
      ("tierd_tenant_guarantee_bytes", "What no other tenant can take of a tier.", \.guaranteeBytes),
      (
        "tierd_tenant_quota_bytes", "The most a tenant may have of a tier; left out where there is no limit.",
        \.quotaBytes
      ),
    ]
    for (name, help, value) in shares {
      page.family(name, .gauge, help) { family in
        for tenant in tenants {
          for share in tenant.shares {
            if let bytes = value(share) { family.sample([("tenant", tenant.name), ("tier", share.tier)], bytes) }
          }
        }
      }
    }
    page.family("tierd_tenant_sessions", .gauge, "A tenant's connections on the worker socket.") { family in
      for tenant in tenants { family.sample([("tenant", tenant.name)], tenant.sessions) }
    }
    page.family("tierd_tenant_sequences", .gauge, "A tenant's sequences that run or wait for memory.") { family in
      for tenant in tenants {
        family.sample([("tenant", tenant.name), ("state", "open")], tenant.sequences.open)
        family.sample([("tenant", tenant.name), ("state", "queued")], tenant.sequences.queued)
      }
    }
    page.family("tierd_tenant_acquired_blocks_total", .counter, "Blocks a tenant acquired, by what was found.") {
      family in
      for tenant in tenants {
        for (result, count) in [("hit", tenant.hits), ("miss", tenant.misses), ("lost", tenant.lost)] {
          family.sample([("tenant", tenant.name), ("result", result)], count)
        }
      }
    }
    page.family(
      "tierd_tenant_displaced_blocks_total", .counter, "A tenant's copies in memory that made room for another tenant."
    ) { family in
      for tenant in tenants { family.sample([("tenant", tenant.name)], tenant.displaced) }
    }
  }
}
