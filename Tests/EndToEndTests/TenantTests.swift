import ControlAPI
import Foundation
import Testing

/// Workers of two users, as the kernel tells them apart: each with its own blocks, under the names they are configured with.
@Suite(.serialized) struct TenantTests {
  let home: Workspace

  init() throws {
    home = try Workspace()
    // Other users are to reach the socket, the program and the model.
    #expect(chmod(home.path, 0o711) == 0)
  }

  private static let user: UInt32 = 54_321
  private static let needsRoot = Comment("only root can start workers of other users")

  /// As another user, in the group of the daemon's.
  private func start(as uid: UInt32, _ daemon: Daemon, tokens: String) throws -> ChildProcess {
    let program = home.path + "/tier-worker"
    if access(program, F_OK) != 0 {
      try FileManager.default.copyItem(atPath: Programs.path(of: "tier-worker"), toPath: program)
      try FileManager.default.copyItem(atPath: Sources.tinyModel, toPath: home.path + "/model")
    }
    chmod(tokens, 0o644)
    return try ChildProcess(
      "/usr/bin/setpriv",
      [
        "--reuid", "\(uid)", "--regid", "0", "--clear-groups", program, "eval", "--model", home.path + "/model",
        "--tokens", tokens, "--json", "--weights", "private", "--block-tokens", "16", "--prefill-chunk-size", "16",
        "--socket", daemon.workerSocket,
      ], in: home)
  }

  @Test(
    "Two users share nothing, two users of one name do; status and metrics name them",
    .enabled(if: geteuid() == 0, needsRoot))
  func twoUsers() throws {
    let table =
      "{team: {uids: [\(Self.user), \(Self.user + 1)], host_guarantee: 1MiB, host_quota: 32MiB, connections: 4}}"
    let daemon = try Daemon("daemon", .init(host: "64MiB", disk: "64MiB"), ["--tenants", table], in: home)
    let tokens = try Tokens.tiny(128, in: home)
    func read(as uid: UInt32) throws -> Evaluation { try Evaluation(start(as: uid, daemon, tokens: tokens)) }
    let first = try read(as: Self.user)
    #expect(first.born > 0)
    let stranger = try read(as: Self.user + 7)
    #expect(stranger.born == first.born && stranger.isIdentical(to: first), "nothing was found")
    let colleague = try read(as: Self.user + 1)
    #expect(colleague.born == 0 && colleague.isIdentical(to: first), "the blocks were there")

    let tenants = try daemon.status().tenants
    let team = try #require(tenants.first { $0.name == "team" })
    #expect(team.maxSessions == 4 && team.hits > 0)
    let host = try #require(team.shares.first { $0.tier == "host" })
    #expect(host.guaranteeBytes == 1 << 20 && host.quotaBytes == 32 << 20)
    #expect(tenants.contains { $0.name == "uid-\(Self.user + 7)" })
    let metrics = try daemon.metrics()
    #expect(metrics.contains("tierd_tenant_guarantee_bytes{tenant=\"team\",tier=\"host\"} 1048576"))
    #expect(try daemon.control("status").output.contains("team"))

    let set = try daemon.control("set", "--tenant", "team", "--host-guarantee", "2MiB")
    #expect(set.ending == .exited(0), "\(set.error)")
    #expect(try daemon.status().tenantTable.tenants.first?.limits.hostGuaranteeBytes == 2 << 20)
    expectRefusal(
      try daemon.control("set", "--tenant", "team", "--host-guarantee", "65MiB", "--host-quota", "99MiB"), 75,
      naming: "guaranteed 65 MiB of the host tier")
    expectRefusal(
      try daemon.control("set", "--host-budget", "1MiB"), 75, naming: "tenants are guaranteed 2 MiB of the host tier")
    #expect(try daemon.stop().ending == .exited(0))
  }
}

extension Evaluation {
  /// Blocks it handed to the store.
  fileprivate var born: Int { tiers.moves.filter { $0.from == "worker" }.reduce(0) { $0 + $1.blocks } }
}
