import type { Placed } from './policy.ts'
import type { Shape } from './shape.ts'
import { scalar } from './shape.ts'

/**
 * What stands for a service: `PORT/PROTOCOL`, `FROM-TO/PROTOCOL`, `esp`, `ping`, or the name of a service. Names are
 * resolved later, with all of the policy at hand; system names may hold `.` and `+`.
 */
export const serviceWord: Shape<Placed<string>> = scalar(
  'a service, such as ssh, 8080/tcp or ping',
  {
    type: 'string',
    pattern: '^([0-9]{1,5}(-[0-9]{1,5})?/(tcp|udp|sctp)|[\\p{L}\\p{N}][\\p{L}\\p{M}\\p{N}_.+-]{0,62})$',
  },
  ({ text }) => ({ value: text }),
)
