import ArgumentParser

@main
struct TierWorker: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tier-worker",
    abstract: "Reads prompts of any length with a model whose KV tierd keeps.",
    discussion: """
      EXAMPLES:
        tier-worker run --model SmolLM2.gguf --prompt "What is a page table?"
        tier-worker run --model SmolLM2.gguf --prompt-file book.txt --prefill-chunk-size 512 --ordered
        tier-worker run --embedded --device emulated --device-budget 48MiB --model SmolLM2.gguf --prompt-file book.txt
        tier-worker eval --embedded --model SmolLM2.gguf --tokens ids.json --json

      EXIT CODES: 0 fine, 64 usage, 69 no daemon, 70 a bug, 74 input or output failed, 75 try again, 78 configuration.
      """,
    subcommands: [Run.self, Eval.self])

  static func main() {
    Interruption.watch()
    main(nil)
  }
}
