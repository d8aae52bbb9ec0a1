import ControlAPI
import DaemonConfig
import Testing
import TierCore

/// Tenants as they are configured.
@Suite struct TenantTableTests {
  private func load(_ yaml: String) throws -> DaemonConfiguration {
    let loader = ConfigurationLoader(uid: 0, environment: [:])
    return try loader.configuration(loader.layers(file: ConfigurationFile.parse(yaml, path: "t.yaml"), flags: [:]))
  }

  private static let example = """
    host_budget: 4GiB
    disk_budget: 8GiB
    tenants:
      team:
        uids: [1001, 1002]
        host_guarantee: 512MiB
        host_quota: 2GiB
        connections: 16
      nightly: {uids: 1003, disk_quota: 1GiB}
      others:
        host_quota: 1GiB
    """

  @Test func whatIsWrittenIsMeant() throws {
    let table = try load(Self.example).tenants
    #expect(table.tenants.map(\.name) == ["team", "nightly"])
    #expect(table.tenants.map(\.uids) == [[1001, 1002], [1003]])
    let policy = table.policy
    let team = policy.limits(of: TenantID(name: "team"))
    #expect(team.guaranteed == TierBytes(host: 512 << 20))
    #expect(team.quota.host == 2 << 30 && team.quota.disk == TenantLimits.unlimited && team.connections == 16)
    #expect(policy.limits(of: TenantID(name: "nightly")).quota.disk == 1 << 30)
    #expect(policy.limits(of: TenantID(7)).quota.host == 1 << 30)
    #expect(try load("host_budget: 1GiB").tenants == TenantTable())
  }

  @Test func whatIsPrintedReadsBack() throws {
    let loader = ConfigurationLoader(uid: 0, environment: [:])
    let layers = loader.layers(file: try ConfigurationFile.parse(Self.example, path: "t"), flags: [:])
    let again = try load(ConfigurationText.render(layers))
    #expect(again.tenants == (try load(Self.example).tenants))
  }

  /// What it says, beside where.
  @Test(arguments: [
    ("team: {uids: []}", "team: no uids"), ("team: {}", "team: no uids"), ("team: [1001]", "team: a mapping"),
    ("team: {uids: [alice]}", "team: uids are numbers"), ("team: {uids: [-1]}", "team: uids are numbers"),
    ("team: {uids: 4294967295}", "team: 4294967295 is no user id"),
    ("team: {uids: [1, 1]}", "team: uid 1 is there twice"),
    ("a: {uids: 1}, b: {uids: 1}", "b: uid 1 is in a already"),
    ("team: {uid: 1}", "team: there is no 'uid': uids,"), ("Team: {uids: 1}", "'Team' cannot name a tenant"),
    ("1001: {uids: 1}", "'1001' cannot name a tenant"), ("others: {uids: 1}", "others: it stands for those"),
    ("others: {host_guarantee: 1MiB}", "others: nothing can be guaranteed"),
    ("team: {uids: 1, host_quota: much}", "team: host_quota: 'much' is no size"),
    ("team: {uids: 1, host_quota: 1MiB, host_guarantee: 2MiB}", "team: host_guarantee is more than host_quota"),
    ("team: {uids: 1, connections: 0}", "team: connections: at least 1"),
    ("team: {uids: 1, host_guarantee: 2GiB}", "tenants are guaranteed 2 GiB of the host tier, and it has 1 GiB"),
    ("team: {uids: 1, device_guarantee: 1MiB}", "tenants are guaranteed 1 MiB of the device tier, and it has 0"),
    ("team: {uids: 1, disk_guarantee: 8GiB}", "tenants are guaranteed 8 GiB of the disk tier, and it has 7 GiB"),
    ("x33: {uids: 1}, y", "y: a mapping"),
  ])
  func whatCannotBeMeantIsRefused(_ text: String, _ why: String) throws {
    let fault = #expect(throws: ConfigurationFault.self) { try load("tenants: {\(text)}") }
    #expect(try #require(fault).message.hasPrefix("t.yaml, line 1: tenants: " + why))
  }

  @Test func aScalarIsNoTable() {
    let fault = #expect(throws: ConfigurationFault.self) { try load("tenants: team") }
    #expect(fault?.message == "t.yaml, line 1: tenants takes a mapping of names")
  }

  @Test func namesAreNumbersOfTheirOwn() {
    #expect(TenantID(name: "team").isNamed && !TenantID(2_147_483_647).isNamed)
    // FNV-1a of "team" is 0xA2FD7D0C; the number is part of what is on disk.
    #expect(TenantID(name: "team").rawValue == 0xA2FD_7D0D)
    #expect(TenantID(name: "team") != TenantID(name: "teams"))
  }

  @Test func aMisspeltLimitIsRefused() {
    let json = #"{"tenants": {"tenants": [{"name": "team", "uids": [1], "limits": {"host_quota": 5}}]}}"#
    #expect(throws: DecodingError.self) { try ControlJSON.decode(SetRequest.self, from: .init(json.utf8)) }
  }
}
