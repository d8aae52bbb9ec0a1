// A misspelt limit must not pass as none.

extension TenantTable {
  private enum CodingKeys: String, CodingKey, CaseIterable {
    case tenants, others
  }

  /// Throws on a key it does not know.
  public init(from decoder: any Decoder) throws {
    try refuseUnknownKeys(decoder, known: CodingKeys.allCases)
    let container = try decoder.container(keyedBy: CodingKeys.self)
    self.init(
      tenants: try container.decode([Tenant].self, forKey: .tenants),
      others: try container.decodeIfPresent(Limits.self, forKey: .others) ?? Limits())
  }
}

extension TenantTable.Tenant {
  private enum CodingKeys: String, CodingKey, CaseIterable {
    case name, uids, limits
  }

  /// Throws on a key it does not know.
  public init(from decoder: any Decoder) throws {
    try refuseUnknownKeys(decoder, known: CodingKeys.allCases)
    let container = try decoder.container(keyedBy: CodingKeys.self)
    self.init(
      name: try container.decode(String.self, forKey: .name),
      uids: try container.decode([UInt32].self, forKey: .uids),
      limits: try container.decodeIfPresent(TenantTable.Limits.self, forKey: .limits) ?? TenantTable.Limits())
  }
}

extension TenantTable.Limits {
  private enum CodingKeys: String, CodingKey, CaseIterable {
    case deviceGuaranteeBytes, hostGuaranteeBytes, diskGuaranteeBytes
    case deviceQuotaBytes, hostQuotaBytes, diskQuotaBytes, connections
  }

  /// Throws on a key it does not know.
  public init(from decoder: any Decoder) throws {
    try refuseUnknownKeys(decoder, known: CodingKeys.allCases)
    let container = try decoder.container(keyedBy: CodingKeys.self)
    self.init()
    deviceGuaranteeBytes = try container.decodeIfPresent(Int.self, forKey: .deviceGuaranteeBytes)
    hostGuaranteeBytes = try container.decodeIfPresent(Int.self, forKey: .hostGuaranteeBytes)
    diskGuaranteeBytes = try container.decodeIfPresent(Int.self, forKey: .diskGuaranteeBytes)
    deviceQuotaBytes = try container.decodeIfPresent(Int.self, forKey: .deviceQuotaBytes)
    hostQuotaBytes = try container.decodeIfPresent(Int.self, forKey: .hostQuotaBytes)
    diskQuotaBytes = try container.decodeIfPresent(Int.self, forKey: .diskQuotaBytes)
    connections = try container.decodeIfPresent(Int.self, forKey: .connections)
  }
}
