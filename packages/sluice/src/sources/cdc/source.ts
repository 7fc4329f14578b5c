/** The source contract for changes of PostgreSQL tables: all of them together, to one transaction boundary. */
import type { Clock } from '../../base/clock.ts'
import { digest } from '../../base/json.ts'
import type { ConnectionSettings } from '../../connections/connection.ts'
import type { CdcSource } from '../../definition/types.ts'
import type { Lake } from '../../lake/lake.ts'
import type { Storage } from '../../storage/storage.ts'
import type { SourceAdapter } from '../source.ts'
import type { Capture } from './drain.ts'

/** What a source of changes is given. */
export interface CdcContext {
  readonly clock: Clock
  readonly lake: Pick<Lake, 'setAside' | 'canTakeUp' | 'removeSetAside'>
  /** The project's own state: which slots it has made, and what is kept of a first copy. */
  readonly state: Pick<Storage, 'read' | 'write' | 'list' | 'remove'>
  /** Resolved when the server is reached. */
  readonly settings: () => Promise<ConnectionSettings>
}

/**
 * Opens a log of changes; nothing is connected yet.
 *
 * A take ends where the server was when the first one began, or where a version is full: then there is more, and the stream stays open.
 *
 * @example
 * const source = cdcSource('raw.shop', definition, context)
 * const { candidate, more } = await source.take(await source.discover(new Map()), take)
 * // … after the commit:
 * await source.settle({ status: 'committed', version })
 * @param table the log's full name
 */
export function cdcSource(table: string, source: CdcSource, context: CdcContext): SourceAdapter {
  let capture: Capture | undefined
  const close = async (): Promise<void> => {
    const open = capture
    capture = undefined
    await open?.close()
  }
  return {
    async discover() {
      const { connection, slot } = source
      return [{ id: digest({ connection, slot }), path: `${connection}: ${slot}`, bytes: 0, decision: 'take' }]
    },
    // What connects is imported when there is something to read.
    async take(_inputs, take) {
      const { openCapture } = await import('./capture.ts')
      try {
        capture ??= await openCapture(table, source, context, take)
        const taken = await capture.take(take)
        if (taken.candidate === undefined) await close()
        return taken
      } catch (error) {
        await close()
        throw error
      }
    },
    async settle({ status }) {
      if (status === 'failed') await close()
      else if ((await capture?.committed()) === false) await close()
    },
    // The slot is told by `settle`; a log has nothing to put away.
    acknowledge: close,
  }
}
