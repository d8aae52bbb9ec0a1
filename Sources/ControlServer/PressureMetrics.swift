import ControlAPI
import TierCore

extension PressureStatus {
  func render(_ page: inout MetricsPage) {
    page.family("tierd_pressure_active", .gauge, "1 for why the host tier has less than its budget now.") { family in
      for kind in PressureCause.Kind.allCases {
        family.sample([("cause", kind.rawValue)], kind.rawValue == cause ? 1 : 0)
      }
    }
    page.family(
      "tierd_pressure_stall_ratio", .gauge, "Share of the latest half second in which some task waited for memory."
    ) {
      $0.sample([("scope", "own")], Double(ownStallPercent) / 100)
      $0.sample([("scope", "system")], Double(systemStallPercent) / 100)
    }
    page.family("tierd_pressure_changes_total", .counter, "How often pressure changed the host tier's size.") {
      $0.sample([("direction", "shrink")], shrinks)
      $0.sample([("direction", "grow")], growths)
    }
    page.family("tierd_cgroup_memory_events_total", .counter, "How often the control group met its limits.") { family in
      for event in limitEvents { family.sample([("event", event.name)], event.count) }
    }
  }
}
