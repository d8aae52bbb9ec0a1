import ArgumentParser
import ControlAPI
import ControlClient
import TierCore

/// A size as people write it.
struct SizeArgument: ExpressibleByArgument {
  let bytes: Int

  init?(argument: String) {
    guard let bytes = ByteCount.parse(argument) else { return nil }
    self.bytes = bytes
  }
}

/// A size, or sizes by node.
struct HostBudgetArgument: ExpressibleByArgument {
  let budget: HostBudget

  init?(argument: String) {
    guard let budget = HostBudget.parse(argument) else { return nil }
    self.budget = budget
  }
}

struct SetCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "set",
    abstract: "Change budgets, or a tenant's limits, while the daemon runs; prints what is in force.",
    discussion: """
      A tier above its new budget is emptied as its leases end.

      EXAMPLES:
        tierctl set --host-budget 2GiB
        tierctl set --host-budget node0=2GiB,node1=1GiB
        tierctl set --device-budget 512M --disk-budget 100G
        tierctl set --tenant team --host-guarantee 1GiB --host-quota 4GiB
        tierctl set --tenant others --connections 8
      """)

  @OptionGroup var connection: ConnectionOptions

  @Option(help: .init("What the device tier may hold.", valueName: "size"))
  var deviceBudget: SizeArgument?

  @Option(
    help: .init(
      "What the host tier may hold, shared out over its NUMA nodes as before; or by node: node0=4GiB,node1=4GiB.",
      valueName: "size"))
  var hostBudget: HostBudgetArgument?

  @Option(help: .init("What the spill may take on disk.", valueName: "size"))
  var diskBudget: SizeArgument?

  @OptionGroup(title: "Limits of a tenant") var limits: TenantLimitOptions

  private var request: SetRequest {
    var request = SetRequest(deviceBudgetBytes: deviceBudget?.bytes, diskBudgetBytes: diskBudget?.bytes)
    switch hostBudget?.budget {
    case .total(let bytes): request.hostBudgetBytes = bytes
    case .nodes(let nodes): request.hostNodes = nodes.map { NodeBudget(node: $0.id, budgetBytes: $0.budgetBytes) }
    case nil: break
    }
    return request
  }

  func validate() throws {
    if limits.tenant == nil || request != SetRequest(), let fault = request.fault {
      throw ValidationError(fault.message)
    }
  }

  func run() throws {
    try reporting {
      var request = request
      if limits.tenant != nil {
        let now = try connection.client.get(.status, as: StatusReply.self)
        request.tenants = try limits.applied(to: now.tenantTable)
      }
      let reply = try connection.client.post(.set, request, as: SetReply.self)
      try connection.show(reply, ChangeViews.render)
    }
  }
}
