// Rounds of two things done in turn, each in a process of its own; what counts is the ratio within a round.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const child = fileURLToPath(new URL('child.mjs', import.meta.url))
const cpuHook = fileURLToPath(new URL('cpu.cjs', import.meta.url))

/** Against another build (against.mjs): only ours is measured, and only when it is this build's turn. */
const isAgainst = process.env.SLUICE_BENCH_TURNS !== undefined
let lastValues = []

/** Runs a command to its end; wall and CPU time in milliseconds, and what it printed. */
export function command(args, options = {}) {
  return new Promise((resolve, reject) => {
    const from = process.hrtime.bigint()
    const stdio = ['ignore', 'pipe', 'pipe', 'pipe']
    const running = spawn(process.execPath, ['--require', cpuHook, ...args], { stdio, ...options })
    let text = ''
    let errors = ''
    running.stdout.on('data', (data) => (text += data))
    running.stderr.on('data', (data) => (errors += data))
    let cpu = 0
    running.stdio[3]?.on('data', (data) => (cpu = Number(data)))
    running.on('error', reject)
    running.on('close', (code) => {
      const wall = Number(process.hrtime.bigint() - from) / 1e6
      if (code === 0) resolve({ wall, cpu, text })
      else reject(new Error(`${args.join(' ')} ended with ${code}\n${errors || text}`.slice(0, 4000)))
    })
  })
}

/** Runs one step of a benchmark in a process: { wall, cpu } in milliseconds, { rss } in MB, and what the step returned. */
export async function step(file, name, input) {
  const { text } = await command([child, file, name, JSON.stringify(input)])
  return JSON.parse(text.trim().split('\n').at(-1))
}

/** Interleaves two measurements, the order changing from round to round; gives the values of both. */
export async function rounds(count, first, second) {
  if (isAgainst) return roundsInTurn(count, first)
  const values = []
  for (let round = 0; round < count; round++) {
    const order = round % 2 === 0 ? [first, second] : [second, first]
    const results = new Map()
    for (const one of order) results.set(one, await one(round))
    values.push([results.get(first), results.get(second)])
  }
  return values
}

/** Waits for its turn before each round; what is done between them belongs to the turn, so that only one build is at work. */
async function roundsInTurn(count, ours) {
  lastValues = []
  for (let round = 0; round < count; round++) {
    process.send({ isReady: true })
    await once(process, 'message')
    lastValues.push(await ours(round))
  }
  return lastValues.map((value) => [value, value])
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** `1.32x (1.29–1.41)` */
export function ratioText(pairs, of) {
  const ratios = pairs.map(([ours, theirs]) => of(ours) / of(theirs))
  return `${median(ratios).toFixed(2)}x (${Math.min(...ratios).toFixed(2)}–${Math.max(...ratios).toFixed(2)})`
}

/** One line: name, ratio, target, rounds. */
export function report({ name, value, target, rounds: count, note = '' }) {
  if (isAgainst) {
    process.send({ report: { name, value, values: lastValues.map(({ wall, cpu }) => ({ wall, cpu })) } })
    lastValues = []
    return
  }
  process.stdout.write(
    `${name.padEnd(46)} ${value.padEnd(50)} target ${target.padEnd(26)} ${count} rounds${note === '' ? '' : `  ${note}`}\n`,
  )
}
