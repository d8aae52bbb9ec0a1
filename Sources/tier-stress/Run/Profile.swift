import ArgumentParser

/// How hard a run is, and how long.
enum Profile: String, CaseIterable, ExpressibleByArgument {
  /// A minute at most, everything once in a while.
  case ci
  /// For as long as one likes: everything on, memory must stay flat.
  case soak
  /// Budgets that change all the time, and memory far below what is read.
  case pressure
  /// A load and nothing else: whoever runs it does the disturbing.
  case calm

  var seconds: Double {
    switch self {
    case .ci: 40
    case .soak: 600
    case .pressure, .calm: 120
    }
  }

  var workers: Int { self == .ci ? 4 : 6 }

  /// In blocks of one layer, so that a few sequences together are more than memory holds, and all of them more than the disk.
  var maxBlocks: Int { self == .pressure ? 64 : 40 }

  /// The disk is soon full: what the daemon knows of records grows no further then.
  var budgets: Budgets {
    switch self {
    case .ci: Budgets(deviceBytes: 12 << 20, hostBytes: 16 << 20, diskBytes: 64 << 20)
    case .soak, .calm: Budgets(deviceBytes: 16 << 20, hostBytes: 24 << 20, diskBytes: 64 << 20)
    case .pressure: Budgets(deviceBytes: 8 << 20, hostBytes: 12 << 20, diskBytes: 64 << 20)
    }
  }

  /// Of sequences, one in so many holds what it has for a while.
  var lingering: Int { 8 }

  /// Events a second, each at random.
  var rates: Rates {
    switch self {
    case .ci: Rates(kills: 1, stops: 1, budgets: 1, evictions: 0.5)
    case .soak: Rates(kills: 0.5, stops: 0.5, budgets: 0.5, evictions: 0.2)
    case .calm: Rates(kills: 0, stops: 0, budgets: 0, evictions: 0)
    case .pressure: Rates(kills: 0.2, stops: 0.2, budgets: 10, evictions: 1)
    }
  }

  struct Rates {
    var kills: Double
    var stops: Double
    var budgets: Double
    var evictions: Double
  }
}
