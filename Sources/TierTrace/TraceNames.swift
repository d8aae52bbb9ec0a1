/// What the events of a run's trace are called: the worker that writes them and whoever sums them up agree here.
public enum TraceNames {
  /// Categories.
  public static let compute = "compute"
  public static let wait = "wait"
  public static let move = "move"
  /// Chunks and layers, which hold the rest.
  public static let step = "step"
  public static let mark = "mark"

  /// Marks.
  public static let dropped = "records dropped"
  public static let statistics = "statistics"

  /// Processes: numbers of their own, so that a store in the worker's process is one of its own here.
  public static let worker = 1
  public static let store = 2

  /// `device → host`
  public static func link(_ ends: (from: String, to: String)) -> String { "\(ends.from) → \(ends.to)" }
}
