import type { Family, IpAddress } from '../../src/net/ip-address.ts'
import type { MacAddress } from '../../src/net/mac-address.ts'
import type { Policy, ServicePart } from '../../src/policy/policy.ts'
import type { HostPlan, PlannedInterface } from './host-plan.ts'
import type { Recipe } from './test-packet.ts'

export type Draft = Omit<Recipe, 'id' | 'time'>

export interface Scene {
  readonly plan: HostPlan
  readonly policy: Policy
}

/** What a packet is before its route and history are settled. */
export interface Sketch {
  arrives: PlannedInterface | 'lo'
  hook: 'input' | 'forward'
  bridged: boolean
  mac: MacAddress
  family: Family
  source: IpAddress
  destination: IpAddress | undefined
  part: ServicePart | 'anything'
  /** A TCP connection whose beginning nobody saw. */
  midStream?: boolean
}
