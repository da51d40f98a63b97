import koffi from 'koffi'

// In this process, since the law asks nft thousands of times and starting it costs more than its work.
const library = koffi.load('libnftables.so.1')
const contextNew = library.func('void *nft_ctx_new(uint32_t flags)')
const bufferOutput = library.func('int nft_ctx_buffer_output(void *context)')
const bufferError = library.func('int nft_ctx_buffer_error(void *context)')
const outputFlags = library.func('void nft_ctx_output_set_flags(void *context, unsigned int flags)')
const runBuffer = library.func('int nft_run_cmd_from_buffer(void *context, const char *commands)')
const output = library.func('const char *nft_ctx_get_output_buffer(void *context)')
const errorText = library.func('const char *nft_ctx_get_error_buffer(void *context)')
const errors = (from: unknown): string => String(errorText(from))

/** NFT_CTX_OUTPUT_JSON, and NFT_CTX_OUTPUT_NUMERIC_ALL as `nft -n` sets it. */
const JSON_OUTPUT = 1 << 4

let context: unknown

/** Runs commands as `nft -f -` does, all or none; their answer as text, or as JSON where `json` is asked for. */
export function nft(commands: string, json = false): string {
  if (context === undefined) {
    context = contextNew(0)
    bufferOutput(context)
    bufferError(context)
  }
  outputFlags(context, json ? JSON_OUTPUT : 0)
  let status: number = runBuffer(context, commands)
  // A signal to this process may interrupt the kernel at work; nothing of the batch has then been done.
  for (
    let again = 0;
    status !== 0 && again < 5 && errors(context).includes('Interrupted system call');
    again++
  ) {
    status = runBuffer(context, commands)
  }
  const said: string = output(context)
  const wrong = errors(context)
  if (status !== 0) throw new Error(`nft: ${wrong}\n${commands.slice(0, 2000)}`)
  return said
}
