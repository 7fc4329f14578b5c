/** Turns a script into the tokens of an answer. */
import { setTimeout as delay } from 'node:timers/promises'
import type { MessageWriter } from './packets.ts'
import type { Script, Step } from './script.ts'
import { done, doneCount, doneError, doneMore, tokens, type WireColumn } from './tokens.ts'

/** How an answer ended: the client waits for `answered`, and for the others it waits for ever or is cut off. */
export type AnswerEnd = 'answered' | 'cut' | 'silent'

interface State {
  columns: readonly WireColumn[]
  counted: number
  failed: boolean
  returned: number | undefined
  readonly outputs: (Step & { kind: 'output' })[]
}

/** Sends a script's steps, and the last word after them. */
export async function answerScript(script: Script, writer: MessageWriter, isGone: () => boolean): Promise<AnswerEnd> {
  const state: State = { columns: [], counted: 0, failed: false, returned: undefined, outputs: [] }
  for await (const step of script) {
    if (isGone()) return 'cut'
    if (step.kind === 'cut' || step.kind === 'silence') {
      await writer.flush()
      return step.kind === 'cut' ? 'cut' : 'silent'
    }
    if (step.kind === 'end') return 'answered'
    if (step.kind === 'rows') await sendRows(step, state, writer, isGone)
    else if (step.kind === 'wait') {
      await writer.flush()
      await delay(step.ms)
    } else {
      const bytes = stepBytes(step, state)
      if (bytes !== undefined) await writer.write(bytes)
    }
  }
  if (!state.failed || state.returned !== undefined) await writer.write(tokens.returnStatus(state.returned ?? 0))
  for (const [i, o] of state.outputs.entries()) await writer.write(tokens.output(i, o.name, o.type, o.value))
  await writer.write(tokens.done(done.procedure, state.failed ? doneError : 0, 0))
  return 'answered'
}

async function sendRows(step: Step & { kind: 'rows' }, state: State, writer: MessageWriter, isGone: () => boolean) {
  const encode = step.compressed ? tokens.compressedRow : tokens.row
  for (const values of step.rows) {
    if (isGone()) return
    await writer.write(encode(state.columns, values))
    state.counted++
  }
}

function stepBytes(step: Step, state: State): Buffer | undefined {
  switch (step.kind) {
    case 'columns':
      state.columns = step.columns
      state.counted = 0
      return tokens.columns(step.columns)
    case 'done': {
      const count = step.count === 'counted' ? state.counted : step.count
      return tokens.done(done.statement, doneMore | (count === null ? 0 : doneCount), count ?? 0)
    }
    case 'message':
      return tokens.message(step, false)
    case 'error':
      state.failed = true
      return tokens.message(step, true)
    case 'bytes':
      return step.bytes
    case 'output':
      state.outputs.push(step)
      return undefined
    case 'return':
      state.returned = step.code
      return undefined
    default:
      return undefined
  }
}
