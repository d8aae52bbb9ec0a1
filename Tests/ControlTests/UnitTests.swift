import Foundation
import Testing

/// The units as `make install` would put them, read by this machine's systemd.
@Suite(.serialized, .enabled(if: SystemdAnalyze.isThere, "systemd-analyze is not installed (Debian: systemd)"))
struct UnitTests {
  private static let units = ["tierd.service", "tierd.socket", "tierd.slice"]

  @Test("systemd has nothing to say about them") func verify() throws {
    let tree = try InstalledTree(version: 252)
    // It exits 0 on a misspelt key: what counts is that it is silent.
    let outcome = try SystemdAnalyze.run(["verify"] + Self.units.map { tree.units + "/" + $0 })
    #expect(outcome.output.isEmpty && outcome.status == 0, "\(outcome.output)")
  }

  @Test("Exposure is at most 0.5") func exposure() throws {
    let tree = try InstalledTree(version: 252)
    let (score, text) = try SystemdAnalyze.exposure(tree.units + "/tierd.service")
    #expect(score <= 0.5, "\(text)")
  }

  @Test("With NVIDIA devices admitted it is at most 0.7, and nothing is misspelt") func nvidia() throws {
    let tree = try InstalledTree(version: 252, nvidia: true)
    let (score, text) = try SystemdAnalyze.exposure(tree.units + "/tierd.service")
    #expect(score <= 0.7, "\(text)")
    let outcome = try SystemdAnalyze.run(["verify", tree.units + "/tierd.service"])
    #expect(outcome.output.isEmpty && outcome.status == 0, "\(outcome.output)")
    #expect(text.contains("PrivateDevices="), "the drop-in is read")
  }

  @Test("What newer ones offer is installed for them only") func versions() throws {
    let dropIn = "/tierd.service.d/50-systemd-254.conf"
    #expect(try !FileManager.default.fileExists(atPath: InstalledTree(version: 253).units + dropIn))
    let tree = try InstalledTree(version: 254)
    #expect(FileManager.default.fileExists(atPath: tree.units + dropIn))
    guard let version = SystemdAnalyze.version, version >= 254 else { return }
    let outcome = try SystemdAnalyze.run(["verify", tree.units + "/tierd.service"])
    #expect(outcome.output.isEmpty && outcome.status == 0, "\(outcome.output)")
  }

  @Test("What was installed is removed again, an operator's configuration is not") func removal() throws {
    let tree = try InstalledTree(version: 254, nvidia: true)
    let configuration = tree.root + "/etc/tierd/tierd.yaml"
    #expect(tree.files.count > 10)
    try tree.remove()
    #expect(tree.files.isEmpty)
    let changed = try InstalledTree(version: 252)
    let theirs = changed.root + "/etc/tierd/tierd.yaml"
    try Data("host_budget: 2GiB\n".utf8).write(to: URL(fileURLWithPath: theirs))
    try changed.install()
    #expect(FileManager.default.contents(atPath: theirs) == Data("host_budget: 2GiB\n".utf8))
    try changed.remove()
    #expect(changed.files == ["/etc/tierd/tierd.yaml"])
    #expect(!FileManager.default.fileExists(atPath: configuration))
  }

  @Test(
    "A prefix that a unit file would read as something else is refused",
    arguments: [
      "usr", "/opt/ti erd", "/opt/%h", "/opt/a;b",
    ])
  func prefixes(_ prefix: String) throws {
    let outcome = try run("/bin/bash", [Source.install, "--prefix", prefix, "/bin"])
    #expect(outcome.status == 64)
    #expect(outcome.output.contains(prefix))
  }
}
