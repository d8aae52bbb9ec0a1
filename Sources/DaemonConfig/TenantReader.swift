import ControlAPI
import TierCore
import Yams

/// Turns the text of `tenants` into the table of tenants: a YAML mapping of names, each to a mapping like
/// `{uids: [1001, 1002], host_guarantee: 512MiB, host_quota: 2GiB, connections: 16}`.
struct TenantReader {
  let fault: (String) -> ConfigurationFault

  private enum Key: String, CaseIterable {
    case uids
    case deviceGuarantee = "device_guarantee"
    case hostGuarantee = "host_guarantee"
    case diskGuarantee = "disk_guarantee"
    case deviceQuota = "device_quota"
    case hostQuota = "host_quota"
    case diskQuota = "disk_quota"
    case connections
  }

  func read(_ text: String) throws(ConfigurationFault) -> TenantTable {
    let root: Node?
    do { root = try Yams.compose(yaml: text) } catch { throw fault("not YAML: a mapping like {team: {uids: [1001]}}") }
    guard let root, root.null == nil else { return TenantTable() }
    guard case .mapping(let mapping) = root else { throw fault("a mapping of names, like {team: {uids: [1001]}}") }
    var table = TenantTable()
    var hasOthers = false
    for (key, value) in mapping {
      guard let name = key.scalar?.string else { throw fault("a name is a word") }
      let (uids, limits) = try tenant(name, value)
      if name == TenantTable.othersName {
        if hasOthers { throw fault("\(name) is there twice") }
        hasOthers = true
        guard uids == nil else { throw fault("\(name): it stands for those without a name, and takes no uids") }
        table.others = limits
      } else {
        table.tenants.append(.init(name: name, uids: uids ?? [], limits: limits))
      }
    }
    if let why = table.fault { throw fault(why) }
    return table
  }

  private func tenant(_ name: String, _ node: Node) throws(ConfigurationFault) -> ([UInt32]?, TenantTable.Limits) {
    let name = String(name.prefix(64))
    guard case .mapping(let mapping) = node else { throw fault("\(name): a mapping, like {uids: [1001]}") }
    var uids: [UInt32]?
    var limits = TenantTable.Limits()
    var seen: Set<Key> = []
    for (keyNode, value) in mapping {
      let word = keyNode.scalar?.string ?? ""
      guard let key = Key(rawValue: word) else {
        throw fault(
          "\(name): there is no '\(word.prefix(64))': \(Key.allCases.map(\.rawValue).joined(separator: ", "))")
      }
      guard seen.insert(key).inserted else { throw fault("\(name): \(word) is there twice") }
      switch key {
      case .uids: uids = try self.uids(name, value)
      case .connections: limits.connections = try number(name, word, value)
      case .deviceGuarantee: limits.deviceGuaranteeBytes = try size(name, word, value)
      case .hostGuarantee: limits.hostGuaranteeBytes = try size(name, word, value)
      case .diskGuarantee: limits.diskGuaranteeBytes = try size(name, word, value)
      case .deviceQuota: limits.deviceQuotaBytes = try size(name, word, value)
      case .hostQuota: limits.hostQuotaBytes = try size(name, word, value)
      case .diskQuota: limits.diskQuotaBytes = try size(name, word, value)
      }
    }
    return (uids, limits)
  }

  private func uids(_ name: String, _ node: Node) throws(ConfigurationFault) -> [UInt32] {
    let nodes = node.sequence.map { Array($0) } ?? [node]
    var uids: [UInt32] = []
    for node in nodes {
      guard let text = node.scalar?.string, let uid = UInt32(text) else {
        throw fault("\(name): uids are numbers, like [1001, 1002]; `id -u USER` says which")
      }
      uids.append(uid)
    }
    return uids
  }

  private func number(_ name: String, _ key: String, _ node: Node) throws(ConfigurationFault) -> Int {
    guard let text = node.scalar?.string, let number = Int(text) else { throw fault("\(name): \(key): not a number") }
    return number
  }

  private func size(_ name: String, _ key: String, _ node: Node) throws(ConfigurationFault) -> Int {
    guard let text = node.scalar?.string, let bytes = ByteCount.parse(text) else {
      throw fault("\(name): \(key): '\((node.scalar?.string ?? "").prefix(64))' is no size: write it like 256MiB or 8G")
    }
    return bytes
  }
}

/// A YAML node on one line, as it reads back.
func flowText(_ node: Node) -> String {
  switch node {
  case .scalar(let scalar): ConfigurationText.quoted(scalar.string)
  case .sequence(let sequence): "[" + sequence.map(flowText).joined(separator: ", ") + "]"
  case .mapping(let mapping): "{" + mapping.map { "\(flowText($0)): \(flowText($1))" }.joined(separator: ", ") + "}"
  case .alias: "~"
  }
}
