import Glibc
import Testing
import TierTesting

/// kill -9 under load: a few of the runs of `make crash`, in the real program.
struct CrashTests {
  @Test func nothingDurableIsLostToAKill() throws {
    var pid = pid_t()
    let words = ["spill-crash", "--runs", "8", "--seed", "1000"]
    var arguments = words.map { strdup($0) } + [nil]
    defer { for argument in arguments { free(argument) } }
    let code = posix_spawn(&pid, try programBesideTheTests("spill-crash"), nil, nil, &arguments, environ)
    #expect(code == 0)
    guard code == 0 else { return }
    var status: Int32 = 0
    waitpid(pid, &status, 0)
    #expect(status == 0)
  }

  private func programBesideTheTests(_ name: String) throws -> String {
    var path = [CChar](repeating: 0, count: 4096)
    let count = readlink("/proc/self/exe", &path, path.count - 1)
    let own = String(decoding: path.prefix(max(0, count)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    let directory = own.prefix(upTo: own.lastIndex(of: "/") ?? own.startIndex)
    let program = directory + "/" + name
    #expect(access(String(program), X_OK) == 0, "\(program) is built with the tests")
    return String(program)
  }
}
