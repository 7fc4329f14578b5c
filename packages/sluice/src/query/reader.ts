/** Who reads: plain data, so that it can be kept in a key, sent to another process, and named in an export. */
import { digest } from '../base/json.ts'
import type { ReadContext } from '../run/api.ts'

/** Who asks, and what is settled about it. Roles of governance join this union. */
export interface Reader {
  readonly kind: 'owner'
  /** For people: what an export or an audit says. */
  readonly name: string
  /**
   * The digest of everything that decides what this reader sees, and of nothing else. Readers who see the same have the same, so whatever keeps
   * a result for later has this in its key.
   */
  readonly policy: string
}

/**
 * The owner of a project, who sees everything.
 *
 * @example const reads = openReads(project, owner())
 */
export function owner(name = 'owner'): Reader {
  return { kind: 'owner', name, policy: digest({ kind: 'owner' }) }
}

/**
 * A project as a reader sees it: the one place where a policy takes tables, columns and rows away. Every question of `query/` is asked of what
 * comes back, and none of the project itself.
 *
 * @example const seen = seenBy(owner(), project[readContext])
 */
export function seenBy(reader: Reader, context: ReadContext): ReadContext {
  switch (reader.kind) {
    case 'owner':
      return context
  }
}
