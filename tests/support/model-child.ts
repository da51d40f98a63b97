/** An admit that is killed before a step: FOLDER BOOT-FILE STEP RULES. */
import { realHost } from './model-host.ts'
import { applyRules } from './transaction-model.ts'

const [folder = '', bootFile = '', step = '', rules = ''] = process.argv.slice(2)
const host = realHost(folder, bootFile)
host.onStep = (now) => {
  if (now === step) process.kill(process.pid, 'SIGKILL')
}
await applyRules(host, Number(rules))
