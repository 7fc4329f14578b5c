/** What sources of changes are given. */
import type { Clock } from '../../base/clock.ts'
import type { ConnectionSettings } from '../../connections/connection.ts'
import type { Lake } from '../../lake/lake.ts'
import type { Storage } from '../../storage/storage.ts'

/** What a source of changes is given. */
export interface CdcContext {
  readonly clock: Clock
  readonly lake: Pick<Lake, 'setAside' | 'canTakeUp' | 'removeSetAside'>
  /** The project's own state: which slots it has made, and what is kept of a first copy. */
  readonly state: Pick<Storage, 'read' | 'write' | 'list' | 'remove'>
  /** Resolved when the server is reached. */
  readonly settings: () => Promise<ConnectionSettings>
}
