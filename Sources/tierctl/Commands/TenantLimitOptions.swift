import ArgumentParser
import ControlAPI

/// Of one tenant in the daemon's table; what is not given stays as it is.
struct TenantLimitOptions: ParsableArguments {
  @Option(help: .init("A tenant of the configuration, or 'others'.", valueName: "name"))
  var tenant: String?

  @Option(help: .init("What no other tenant can take of the device tier; 0 for nothing.", valueName: "size"))
  var deviceGuarantee: SizeArgument?

  @Option(help: .init("The same of the host tier.", valueName: "size"))
  var hostGuarantee: SizeArgument?

  @Option(help: .init("The same of the disk.", valueName: "size"))
  var diskGuarantee: SizeArgument?

  @Option(help: .init("The most the tenant may have of the device tier.", valueName: "size"))
  var deviceQuota: SizeArgument?

  @Option(help: .init("The same of the host tier.", valueName: "size"))
  var hostQuota: SizeArgument?

  @Option(help: .init("The same of the disk.", valueName: "size"))
  var diskQuota: SizeArgument?

  @Option(help: .init("Connections at once.", valueName: "number"))
  var connections: Int?

  private var isAnyGiven: Bool {
    [deviceGuarantee, hostGuarantee, diskGuarantee, deviceQuota, hostQuota, diskQuota].contains { $0 != nil }
      || connections != nil
  }

  func validate() throws {
    if isAnyGiven, tenant == nil {
      throw ValidationError("a limit is a tenant's: give --tenant NAME, or --tenant others")
    }
    if !isAnyGiven, tenant != nil {
      throw ValidationError("--tenant \(tenant!): give a guarantee, a quota or connections")
    }
  }

  /// Throws where there is no such tenant.
  func applied(to table: TenantTable) throws -> TenantTable {
    var table = table
    if tenant == TenantTable.othersName {
      change(&table.others)
    } else {
      guard let index = table.tenants.firstIndex(where: { $0.name == tenant }) else {
        let names = table.tenants.map(\.name) + [TenantTable.othersName]
        throw ValidationError("there is no tenant '\(tenant ?? "")': \(names.joined(separator: ", "))")
      }
      change(&table.tenants[index].limits)
    }
    return table
  }

  private func change(_ limits: inout TenantTable.Limits) {
    if let deviceGuarantee { limits.deviceGuaranteeBytes = deviceGuarantee.bytes }
    if let hostGuarantee { limits.hostGuaranteeBytes = hostGuarantee.bytes }
    if let diskGuarantee { limits.diskGuaranteeBytes = diskGuarantee.bytes }
    if let deviceQuota { limits.deviceQuotaBytes = deviceQuota.bytes }
    if let hostQuota { limits.hostQuotaBytes = hostQuota.bytes }
    if let diskQuota { limits.diskQuotaBytes = diskQuota.bytes }
    if let connections { limits.connections = connections }
  }
}
