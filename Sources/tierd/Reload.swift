import ControlAPI
import DaemonConfig
import Logging
import TierCore

/// What a new configuration means to a daemon that runs: budgets, tenants and log level take effect, all together or not at
/// all.
/// Whatever else changed is named, and waits for a restart.
struct Reload {
  /// What is in force now that was not before, as `host_budget 2 GiB`.
  private(set) var changed: [String] = []
  /// Settings that changed and cannot take effect while the daemon runs.
  private(set) var needsRestart: [Setting] = []

  private static let budgets: [(setting: Setting, tier: Tier, bytes: @Sendable (DaemonConfiguration) -> Int)] = [
    (.deviceBudget, .device, { $0.deviceBudgetBytes }), (.hostBudget, .host, { $0.hostBudget.total }),
    (.diskBudget, .disk, { $0.diskBudgetBytes }),
  ]

  /// Throws where the store refuses a budget; then nothing has changed.
  init(
    from old: ConfigurationSource.Loaded, to new: ConfigurationSource.Loaded, store: any ControlledStore,
    level: LogLevel
  ) throws(ControlError) {
    try setBudgets(old.configuration, new.configuration, store)
    if level.current.rawValue != new.configuration.logLevel {
      level.set(new.configuration.logLevel)
      changed.append("\(Setting.logLevel.rawValue) \(new.configuration.logLevel)")
    }
    let isLive: Set<Setting> = [.deviceBudget, .hostBudget, .diskBudget, .tenants, .logLevel]
    needsRestart += Setting.allCases.filter { setting in
      !isLive.contains(setting) && old.layers[setting]?.text != new.layers[setting]?.text
    }
  }

  /// What is configured, whatever `tierctl set` said meanwhile.
  private mutating func setBudgets(
    _ old: DaemonConfiguration, _ new: DaemonConfiguration, _ store: any ControlledStore
  ) throws(ControlError) {
    let inForce = store.status().tiers.reduce(into: [:]) { $0[$1.name] = $1.budgetBytes }
    var request = SetRequest()
    for budget in Self.budgets {
      let bytes = budget.bytes(new)
      if budget.tier == .host, bytes == 0 {
        setNodes(old, new, store.status().pools, &request)
        continue
      }
      guard let now = inForce[budget.tier.name], bytes > 0 else {
        // A tier comes or goes with a restart only.
        if bytes != budget.bytes(old) { needsRestart.append(budget.setting) }
        continue
      }
      guard bytes != now else { continue }
      request.set(budget.tier, bytes)
      changed.append("\(budget.setting.rawValue) \(ByteCount.text(bytes))")
    }
    if new.tenants != store.status().tenantTable {
      request.tenants = new.tenants
      changed.append(Setting.tenants.rawValue)
    }
    if request != SetRequest() { _ = try store.set(request) }
  }

  /// A host budget by node. Which nodes have a pool is chosen at the start.
  private mutating func setNodes(
    _ old: DaemonConfiguration, _ new: DaemonConfiguration, _ pools: [PoolStatus], _ request: inout SetRequest
  ) {
    guard case .nodes(let nodes) = new.hostBudget else { return }
    guard Set(nodes.map(\.id)) == Set(pools.compactMap(\.node)) else {
      if old.hostBudget != new.hostBudget { needsRestart.append(.hostBudget) }
      return
    }
    let changes = nodes.filter { node in pools.first { $0.node == node.id }?.budgetBytes != node.budgetBytes }
    guard !changes.isEmpty else { return }
    if pools.count > 1 {
      request.hostNodes = changes.map { NodeBudget(node: $0.id, budgetBytes: $0.budgetBytes) }
    } else {
      request.hostBudgetBytes = new.hostBudget.bytes
    }
    changed.append("\(Setting.hostBudget.rawValue) \(HostBudget.nodes(changes).text)")
  }

  /// For the log and the status line.
  var summary: String {
    let effect = changed.isEmpty ? "nothing changes" : "now " + changed.joined(separator: ", ")
    guard !needsRestart.isEmpty else { return effect }
    return effect + "; takes effect with a restart: " + needsRestart.map(\.rawValue).joined(separator: ", ")
  }
}

extension HostBudget {
  /// 0 where it is given by node.
  fileprivate var total: Int {
    if case .total(let bytes) = self { bytes } else { 0 }
  }
}

extension SetRequest {
  fileprivate mutating func set(_ tier: Tier, _ bytes: Int) {
    switch tier {
    case .device: deviceBudgetBytes = bytes
    case .host: hostBudgetBytes = bytes
    case .disk: diskBudgetBytes = bytes
    }
  }
}
