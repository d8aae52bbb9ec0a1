import ControlAPI
import TierCore

/// Which tenant a user id is, and what the tenant is called.
struct TenantNames {
  let table: TenantTable
  private var tenants: [UInt32: TenantID] = [:]
  private var names: [TenantID: String] = [:]

  init(_ table: TenantTable) {
    self.table = table
    for tenant in table.tenants {
      let id = TenantID(name: tenant.name)
      names[id] = tenant.name
      for uid in tenant.uids { tenants[uid] = id }
    }
  }

  /// Nil where the user is in no tenant and cannot be one of its own: its id is among those of names.
  func tenant(ofUser uid: UInt32) -> TenantID? {
    tenants[uid] ?? (uid < TenantID.firstNamed ? TenantID(uid) : nil)
  }

  func name(_ tenant: TenantID) -> String {
    names[tenant] ?? (tenant.isNamed ? "unnamed-\(tenant.rawValue)" : "uid-\(tenant.rawValue)")
  }
}
