import ControlAPI

/// Tenants in `status` and `top`: a row for each tier of each.
enum TenantView {
  static func render(_ tenants: [TenantStatus], _ style: Style) -> String {
    var table = Table([
      ("tenant", .left), ("tier", .left), ("used", .right), ("guaranteed", .right), ("at most", .right), ("", .left),
      ("workers", .right), ("sequences", .right), ("displaced", .right),
    ])
    for tenant in tenants {
      for (index, share) in tenant.shares.enumerated() {
        let isFirst = index == 0
        table.add([
          isFirst ? printable(tenant.name) : "", share.tier, Numbers.bytes(share.usedBytes),
          share.guaranteeBytes > 0 ? Numbers.bytes(share.guaranteeBytes) : "-",
          share.quotaBytes.map(Numbers.bytes) ?? "-",
          share.quotaBytes.map { style.bar(share.usedBytes, of: $0, width: 12) } ?? "",
          isFirst ? workers(tenant) : "", isFirst ? sequences(tenant.sequences) : "",
          isFirst ? Numbers.count(tenant.displaced) : "",
        ])
      }
    }
    return table.render()
  }

  private static func workers(_ tenant: TenantStatus) -> String {
    Numbers.count(tenant.sessions) + (tenant.maxSessions.map { " of \(Numbers.count($0))" } ?? "")
  }

  private static func sequences(_ counts: SequenceCounts) -> String {
    Numbers.count(counts.open) + (counts.queued > 0 ? " (\(Numbers.count(counts.queued)) queued)" : "")
  }
}
