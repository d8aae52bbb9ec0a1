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
    case let error as ModelFileError: self.init(message: "\(error)", exitCode: 78)
    case let error as TokenizerError: self.init(message: "\(error)", exitCode: 78)
    case let error as SamplingError: self.init(message: "\(error)", exitCode: 64)
    case let error as InferenceError: self.init(message: error.message, exitCode: 64)
    case let error as KVError: self.init(message: error.message, exitCode: Self.code(error))
    case let error as ResidencyError: self.init(message: error.message, exitCode: 69)
    case let error as SpillError: self.init(message: error.message, exitCode: 74)
    default: self.init(message: "\(error)", exitCode: 70)
    }
  }

  init(message: String, exitCode: Int32) {
    self.message = message
    self.exitCode = exitCode
  }

  private static func code(_ error: KVError) -> Int32 {
    switch error {
    case .refused(.queueFull), .refused(.draining), .stalled, .lost: 75
    case .refused, .badLayout, .full: 78
    case .residency: 69
    case .violation, .neverCurrent, .unexpected: 70
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
