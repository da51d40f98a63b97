/**
 * The story that script/demo tells, in eight scenes. Every "gets in" and "stays out" on the screen is the outcome of
 * packets that were sent; if one of them is not what admit claims, the demo says so and ends with 1.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { Screen } from './demo-parts/screen.ts'
import type { Stage, Tried } from './demo-parts/stage.ts'
import { buildStage, FAR_AWAY, GROUP_MAC, MACS, PORT, SERVERS } from './demo-parts/stage.ts'

const { values: options } = parseArgs({ options: { screen: { type: 'string' } } })
const folder = '/run/demo'
const admitProgram = resolve('bin/admit')
const LAPTOP = `laptop: { mac: ${MACS.laptop}, admin: true, unseen: true }`
const DESK = `desk:   { mac: ${MACS.desk}, admin: true, unseen: true }`
const TYPO = MACS.laptop.replace(/.$/, '6')
const PHONE = `phone:  { mac: ${MACS.phone} }`

const begun = performance.now()
const screen = new Screen()

process.env['ADMIT_POLICY'] = 'policy.yaml'
process.env['ADMIT_STATE'] = `${folder}/state`
process.env['PATH'] = `${dirname(admitProgram)}:${process.env['PATH']}`
mkdirSync(folder, { recursive: true })
screen.intro()
const stage = await buildStage()
theRecipe(stage)
theGuestList(stage)
await whoGetsIn(stage)
await overIpv6(stage)
await theSpare(stage)
await theGateway(stage)
await theLostPhone(stage)
await theTypo(stage)
const last = screen.last(stage.tried(), (performance.now() - begun) / 1000)
if (options.screen !== undefined) writeFileSync(options.screen, last)
process.exit(screen.failed ? 1 : 0)

/** Types a line of the recipe on its server, letter by letter what the guides say. */
function typeRecipe(on: Stage, line: string): void {
  const { status, output } = on.run('recipe', ['sh', '-c', line])
  screen.typed('recipe', line, output)
  if (status !== 0) screen.fault(`\`${line}\` ended with ${status}`)
}

/** Runs admit on its server; it must end with this code and say this. */
function admit(on: Stage, words: readonly string[], wanted: number, says = /^/): boolean {
  const { status, output } = on.run('admit', [admitProgram, ...words], { cwd: folder })
  screen.typed('admit', ['admit', ...words].join(' '), output)
  if (status !== wanted) screen.fault(`admit ended with ${status} instead of ${wanted}`)
  if (!says.test(output)) screen.fault(`admit did not say ${says.source}`)
  return status === wanted && says.test(output)
}

function writePolicy(devices: readonly string[], shown: boolean): void {
  const names = devices.map((line) => line.split(':')[0])
  const text = [
    'admit: 1',
    'devices:',
    ...devices.map((line) => `  ${line}`),
    'groups:',
    `  mine: [${names.join(', ')}]`,
    'grants:',
    '  - { from: mine, to: everything }',
    '',
  ].join('\n')
  writeFileSync(`${folder}/policy.yaml`, text)
  if (shown) screen.file('policy.yaml', text)
}

function theRecipe(on: Stage): void {
  screen.scene(
    'The recipe',
    'What thousands of owners of a server type: the MAC addresses of their machines, and nothing else gets in.',
  )
  typeRecipe(on, 'iptables -A INPUT -i lo -j ACCEPT')
  typeRecipe(on, 'iptables -A INPUT -m state --state ESTABLISHED,RELATED -j ACCEPT')
  for (const who of ['laptop', 'desk', 'phone'] as const) {
    typeRecipe(on, `iptables -A INPUT -m mac --mac-source ${MACS[who]} -j ACCEPT`)
  }
  typeRecipe(on, 'iptables -P INPUT DROP')
  typeRecipe(on, 'iptables -P FORWARD DROP')
  typeRecipe(on, 'iptables -P OUTPUT ACCEPT')
}

function theGuestList(on: Stage): void {
  screen.scene('The guest list', 'The same machines on the server next to it, with admit.')
  writePolicy([LAPTOP, DESK, PHONE], true)
  admit(on, ['apply'], 0, /Not confirmed yet/)
  screen.say('A new connection proves that the owner can still get in, and keeps the rules:')
  const { status, output } = on.ssh('laptop', 'admit confirm')
  screen.typed('laptop', `ssh root@${SERVERS.admit.ip} admit confirm`, output)
  if (status !== 0) screen.fault(`the confirmation ended with ${status}`)
}

async function whoGetsIn(on: Stage): Promise<void> {
  screen.scene(
    'Who gets in',
    `Everyone pings both servers and dials port ${PORT} over IPv4. So far they do the same.`,
  )
  const everyone = ['laptop', 'desk', 'stranger']
  const tried = await onBoth(on, everyone)
  for (const [index, who] of everyone.entries()) {
    screen.packets(who, tried[index])
  }
  screen.row(
    'laptop and desk, on the list',
    ['gets in', 'gets in'],
    both(tried.slice(0, 2), isIn, 'gets in', 'STAYS OUT'),
  )
  screen.row(
    'a stranger on the same link',
    ['stays out', 'stays out'],
    both(tried.slice(2), isIn, 'GETS IN', 'stays out'),
  )
}

async function overIpv6(on: Stage): Promise<void> {
  screen.scene('IPv6', 'iptables is about IPv4. Nobody typed ip6tables, and the stranger has IPv6 too.')
  const [tried] = await onBoth(on, ['stranger'], 'ip6')
  screen.packets('stranger, IPv6', tried)
  screen.row(
    'the same stranger over IPv6',
    ['GETS IN', 'stays out'],
    both([tried], isIn, 'GETS IN', 'stays out'),
  )
}

async function theSpare(on: Stage): Promise<void> {
  screen.scene(
    'The spare key',
    `Register a second machine, say the guides, and many copy ${GROUP_MAC} from them.`,
  )
  typeRecipe(on, `iptables -A INPUT -m mac --mac-source ${GROUP_MAC} -j ACCEPT`)
  const refusal = await on.takeMac('spare', GROUP_MAC)
  if (refusal === undefined) screen.fault('a machine took a group address')
  screen.say(
    `The spare machine cannot even take that address: "${(refusal ?? '').replace(/^ip .*?: /, '')}". It tries with its own.`,
  )
  const [tried] = await onBoth(on, ['spare'])
  screen.packets('spare', tried)
  screen.say(
    'No frame ever comes from such an address. The rule opens nothing, on the day it is needed. admit says so:',
  )
  writePolicy([LAPTOP, DESK, PHONE, `spare: { mac: ${GROUP_MAC} }`], false)
  const refused = admit(on, ['check'], 2, /group/)
  const useless = tried !== undefined && !isIn(tried.recipe)
  screen.row(
    `a spare key, ${GROUP_MAC}`,
    ['taken, opens NOTHING', 'refused, says why'],
    [useless ? 'taken, opens NOTHING' : 'opens', refused ? 'refused, says why' : 'taken'],
  )
}

async function theGateway(on: Stage): Promise<void> {
  screen.scene(
    "The gateway's MAC",
    `The owner is away and reads in the log which MAC the laptop comes from. Behind a router it is the router's.`,
  )
  const [before] = await onBoth(on, ['far'])
  screen.packets(`${FAR_AWAY}, far away`, before)
  typeRecipe(on, `iptables -A INPUT -m mac --mac-source ${MACS.gateway} -j ACCEPT`)
  const [after] = await onBoth(on, ['far'])
  screen.packets(`${FAR_AWAY}, far away`, after)
  screen.say(
    'One rule, and the whole Internet is on the list. admit does not take it unless it is said aloud:',
  )
  writePolicy([LAPTOP, DESK, PHONE, `away: { mac: ${MACS.gateway} }`], false)
  const refused = admit(on, ['check'], 2, /everyone-behind: gateway/)
  screen.row(
    "the gateway's MAC on the list",
    ['THE WORLD gets in', 'refused, says why'],
    [
      isIn(after?.recipe) ? 'THE WORLD gets in' : 'stays out',
      isIn(after?.admit) || !refused ? 'GETS IN' : 'refused, says why',
    ],
  )
}

async function theLostPhone(on: Stage): Promise<void> {
  screen.scene(
    'The lost phone',
    'The phone is lost while it is connected to both servers. It is struck off both lists.',
  )
  const [toRecipe, toAdmit] = await Promise.all([
    on.openLine('phone', 'recipe'),
    on.openLine('phone', 'admit'),
  ])
  typeRecipe(on, `iptables -D INPUT -m mac --mac-source ${MACS.phone} -j ACCEPT`)
  writePolicy([LAPTOP, DESK], false)
  admit(on, ['apply', '--no-confirm'], 0)
  const [recipe, guests] = await Promise.all([toRecipe.answers(1000), toAdmit.answers(1000)])
  screen.say(
    `A second later: the recipe's server ${recipe ? 'still answers' : 'does not answer'}, admit's ${guests ? 'still answers' : 'does not answer any more'}.`,
  )
  screen.row(
    "a lost phone's open connection",
    ['LIVES ON', 'ends'],
    [recipe ? 'LIVES ON' : 'ends', guests ? 'LIVES ON' : 'ends'],
  )
}

async function theTypo(on: Stage): Promise<void> {
  screen.scene(
    'The typo',
    `The owner means to tidy up, and mistypes the laptop's own MAC address: ${TYPO}. No program can know that.`,
  )
  typeRecipe(on, `iptables -R INPUT 3 -m mac --mac-source ${TYPO} -j ACCEPT`)
  writePolicy([LAPTOP.replace(MACS.laptop, TYPO), DESK], false)
  admit(on, ['apply', '--confirm-within', '3s'], 0, /Not confirmed yet: after 3 s/)
  const [during] = await onBoth(on, ['laptop'])
  screen.packets('laptop, at once', during)
  screen.say(
    "From the laptop nobody can confirm. On admit's server that is enough: what nobody confirms is undone.",
  )
  await undone()
  const [after] = await onBoth(on, ['laptop'])
  screen.packets('laptop, 3 s later', after)
  admit(on, ['status'], 0, /Undone .*nobody confirmed in time/)
  const wereOut = !isIn(during?.recipe) && !isIn(during?.admit)
  screen.row(
    "a typo in the laptop's MAC",
    ['LOCKED OUT', 'undone by itself'],
    [
      wereOut && !isIn(after?.recipe) ? 'LOCKED OUT' : 'gets in',
      wereOut && isIn(after?.admit) ? 'undone by itself' : 'LOCKED OUT',
    ],
  )
}

/** Until nothing is pending any more; whether that was an undo is for the packets to tell. */
async function undone(): Promise<void> {
  const end = performance.now() + 20_000
  const isThere = (name: string): boolean => existsSync(`${folder}/state/${name}`)
  while (performance.now() < end && (isThere('pending') || isThere('undoing'))) await sleep(50)
}

interface OnBoth {
  readonly recipe: Tried
  readonly admit: Tried
}

/** Each of them tries both servers, all at once. */
async function onBoth(
  on: Stage,
  everyone: readonly string[],
  family: 'ip' | 'ip6' = 'ip',
): Promise<readonly OnBoth[]> {
  const servers = Object.keys(SERVERS) as (keyof typeof SERVERS)[]
  const tried = await on.attempt(
    everyone.flatMap((who) => servers.map((server) => ({ who, server, family }))),
  )
  return everyone.map((_, index) => {
    const [recipe, guests] = tried.slice(index * 2, index * 2 + 2)
    if (recipe === undefined || guests === undefined) throw new Error('a call has no result')
    return { recipe, admit: guests }
  })
}

/** Both ways in; one of two would be neither in nor out, and a fault. */
function isIn(tried: Tried | undefined): boolean {
  if (tried === undefined || tried.ping !== tried.dial) screen.fault('ping and dial do not agree')
  return tried?.dial === true
}

function both(
  tried: readonly (OnBoth | undefined)[],
  test: (one: Tried | undefined) => boolean,
  yes: string,
  no: string,
): readonly [string, string] {
  const all = (server: 'recipe' | 'admit'): string => {
    const results = tried.map((one) => test(one?.[server]))
    return results.every(Boolean) ? yes : results.some(Boolean) ? 'some of them' : no
  }
  return [all('recipe'), all('admit')]
}
