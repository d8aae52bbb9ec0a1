import ArgumentParser
import Glibc
import Inference
import ModelFiles
import TierCore
import TierSpill

/// One line that says what happened, to what, and what to do, with the exit code of sysexits that fits.
struct WorkerFault: Error {
  let message: String
  let exitCode: Int32

  static func usage(_ message: String) -> WorkerFault { WorkerFault(message: message, exitCode: 64) }

  /// Finds the line and the code for whatever was thrown.
  init(_ error: any Error) {
    switch error {
    case let fault as WorkerFault: self = fault
    case let error as ModelFileError: self.init(message: "\(error)", exitCode: Self.code(error))
    case let error as TokenizerError: self.init(message: "\(error)", exitCode: 78)
    case let error as SamplingError: self.init(message: "\(error)", exitCode: 64)
    case let error as InferenceError: self.init(message: error.message, exitCode: 64)
    case let error as ComputeError: self.init(message: error.message, exitCode: 78)
    case let error as KVError: self.init(message: Self.message(error), exitCode: Self.code(error))
    case let error as ResidencyError: self.init(message: error.message, exitCode: Self.code(error))
    case let error as SpillError: self.init(message: error.message, exitCode: Self.code(error))
    default: self.init(message: "\(error)", exitCode: 70)
    }
  }

  init(message: String, exitCode: Int32) {
    self.message = message
    self.exitCode = exitCode
  }

  /// A size to be given as it stands must not be rounded, as sizes to be read are.
  private static func message(_ error: KVError) -> String {
    guard case .refused(.stepExceedsBudget(let tier, let needed, let budget)) = error else { return error.message }
    let smallest = needed % 1024 == 0 ? "\(needed / 1024)KiB" : "\(needed)B"
    return "a \(tier.name) budget of \(ByteCount.text(budget)) is too small for one chunk: the smallest that would do "
      + "is --\(tier.name)-budget \(smallest), or less with a smaller --prefill-chunk-size"
  }

  private static func code(_ error: KVError) -> Int32 {
    switch error {
    case .noRoom, .refused(.queueFull), .refused(.draining), .stalled, .lost: 75
    case .refused, .full: 78
    case .badLayout: 64
    case .residency(let error): code(error)
    case .violation, .neverCurrent, .unexpected: 70
    }
  }

  private static func code(_ error: ResidencyError) -> Int32 {
    switch error {
    case .unavailable, .incompatible: 69
    case .violated, .badSlot: 70
    }
  }

  private static func code(_ error: ModelFileError) -> Int32 {
    switch error {
    case .missing, .unreadable: 74
    default: 78
    }
  }

  private static func code(_ error: SpillError) -> Int32 {
    switch error {
    case .capTooSmall, .unsafeDirectory, .blockTooLarge: 78
    case .locked, .busy: 75
    default: 74
    }
  }

  /// Runs a command's body; ends the process with one line on standard error where it throws.
  static func reporting(_ body: () throws -> Void) throws {
    do {
      try body()
    } catch {
      if error is ExitCode || error is CleanExit { throw error }
      let fault = WorkerFault(error)
      Terminal.error("tier-worker: \(fault.message)\n")
      throw ExitCode(fault.exitCode)
    }
  }
}
