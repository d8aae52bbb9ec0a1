import ArgumentParser
import CUDADriver
import FoundationEssentials
import Glibc
import TierMemory

@main
struct GPUCheck: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tier-gpu-check",
    abstract: "Shows what tierd's device tier does on this machine's GPU: conformance, and speed beside bare copies.",
    discussion: """
      Prints a line for each step to standard error, and one JSON object to standard output. It needs a driver, a GPU, and a
      tierd beside it; no toolkit, no Swift. It takes some GiB of the GPU's memory and of the machine's, and a minute.

      EXAMPLES:
        tier-gpu-check
        tier-gpu-check --device 1 --gib 1 --only conformance,copies

      EXIT CODES: 0 every check held, 1 one did not, 64 usage, 75 there is no GPU to be had here.
      """,
    subcommands: [RunChecks.self, Burn.self], defaultSubcommand: RunChecks.self)
}

struct RunChecks: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "run", abstract: "Run the checks (the default).")

  @Option(help: .init("The GPU, as the driver counts.", valueName: "ordinal"))
  var device = 0

  @Option(help: .init("Where the CUDA driver is, if not where the loader looks.", valueName: "library"))
  var cudaLibrary = CUDALibrary.defaultPath

  @Option(help: .init("The daemon to measure (default: the tierd beside this program).", valueName: "program"))
  var tierd: String?

  @Option(help: .init("GiB of blocks that each measurement moves.", valueName: "n"))
  var gib = 2

  @Option(help: .init("Some of: conformance, copies, shared, latency.", valueName: "steps"))
  var only: String?

  func validate() throws {
    guard (1...64).contains(gib) else { throw ValidationError("--gib \(gib): 1 to 64") }
    let known = Step.allCases.map(\.rawValue)
    for name in steps where !known.contains(name) {
      throw ValidationError("there is no step '\(name)': \(known.joined(separator: ", "))")
    }
  }

  private var steps: [String] { only?.split(separator: ",").map(String.init) ?? Step.allCases.map(\.rawValue) }

  func run() throws {
    let device: CUDADevice
    let library: CUDALibrary
    do {
      library = try CUDALibrary(path: cudaLibrary)
      device = try CUDADevice(library, ordinal: self.device)
    } catch {
      say("no GPU to check: \(error.message)")
      throw ExitCode(75)
    }
    var report = GPUReport(device: device, driver: library.version)
    say("\(device.name) at \(device.pciAddress), driver \(library.version)")
    let bench = GPUBench(
      device: device, ordinal: self.device, cudaLibrary: cudaLibrary,
      tierd: tierd ?? Self.besideThisProgram("tierd"), blockBytesInAll: gib << 30)
    for step in Step.allCases where steps.contains(step.rawValue) {
      do { try step.run(bench, &report) } catch {
        report.failures.append("\(step.rawValue): \(error)")
        say("FAILED \(step.rawValue): \(error)")
      }
    }
    print(try report.json())
    if !report.failures.isEmpty { throw ExitCode(1) }
  }

  private static func besideThisProgram(_ name: String) -> String {
    let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
    guard let slash = own.lastIndex(of: "/") else { return name }
    return own[...slash] + name
  }
}

/// The checks, in the order they are made.
enum Step: String, CaseIterable {
  case conformance
  case copies
  case shared
  case latency

  func run(_ bench: GPUBench, _ report: inout GPUReport) throws {
    switch self {
    case .conformance: report.conformance = try bench.conformance()
    case .copies: report.copies = try bench.copies()
    case .shared: report.whileComputing = try bench.whileComputing()
    case .latency: report.latency = try bench.latency()
    }
  }
}

/// Keeps the GPU's arithmetic busy: run by the check itself as a process of its own.
struct Burn: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "burn", abstract: "Keep the GPU computing for some seconds.", shouldDisplay: false)

  @Option var device = 0
  @Option var cudaLibrary = CUDALibrary.defaultPath
  @Option var seconds = 10

  func run() throws {
    do {
      let burner = try Burner(CUDADevice(CUDALibrary(path: cudaLibrary), ordinal: device))
      // Whoever started this waits for a line, and it must not wait in a buffer.
      _ = write(STDOUT_FILENO, "computing\n", 10)
      try burner.burn(seconds: seconds)
    } catch let error as DeviceError {
      say(error.message)
      throw ExitCode(1)
    }
  }
}

/// A line for people; a standard error that is closed is nobody's loss.
func say(_ line: String) {
  let bytes = Array((line + "\n").utf8)
  _ = write(STDERR_FILENO, bytes, bytes.count)
}
