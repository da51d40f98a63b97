import koffi from 'koffi'

// In this process, since the law asks nft thousands of times and starting it costs more than its work. Loaded with the
// first question: where nft is unpacked for script/netns only, tests that ask nothing run outside of it.
function load() {
  const library = koffi.load('libnftables.so.1')
  return {
    contextNew: library.func('void *nft_ctx_new(uint32_t flags)'),
    bufferOutput: library.func('int nft_ctx_buffer_output(void *context)'),
    bufferError: library.func('int nft_ctx_buffer_error(void *context)'),
    outputFlags: library.func('void nft_ctx_output_set_flags(void *context, unsigned int flags)'),
    runBuffer: library.func('int nft_run_cmd_from_buffer(void *context, const char *commands)'),
    output: library.func('const char *nft_ctx_get_output_buffer(void *context)'),
    errorText: library.func('const char *nft_ctx_get_error_buffer(void *context)'),
  }
}

/** NFT_CTX_OUTPUT_JSON, and NFT_CTX_OUTPUT_NUMERIC_ALL as `nft -n` sets it. */
const JSON_OUTPUT = 1 << 4

let library: ReturnType<typeof load> | undefined
let context: unknown

/** Runs commands as `nft -f -` does, all or none; their answer as text, or as JSON where `json` is asked for. */
export function nft(commands: string, json = false): string {
  library ??= load()
  if (context === undefined) {
    context = library.contextNew(0)
    library.bufferOutput(context)
    library.bufferError(context)
  }
  library.outputFlags(context, json ? JSON_OUTPUT : 0)
  let status: number = library.runBuffer(context, commands)
  let wrong = String(library.errorText(context))
  // A signal to this process may interrupt the kernel at work; nothing of the batch has then been done.
  for (let again = 0; status !== 0 && again < 5 && wrong.includes('Interrupted system call'); again++) {
    status = library.runBuffer(context, commands)
    wrong = String(library.errorText(context))
  }
  const said: string = library.output(context)
  if (status !== 0) throw new Error(`nft: ${wrong}\n${commands.slice(0, 2000)}`)
  return said
}
