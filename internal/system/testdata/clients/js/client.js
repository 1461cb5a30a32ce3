// Drives mqtt.js with the commands of ../README.md. NODE_PATH names the folder with the package.
'use strict'

const { once } = require('node:events')
const readline = require('node:readline')
const mqtt = require('mqtt')

const PATIENCE = 20_000 // milliseconds that the broker has for each answer
const SESSION_EXPIRY = 600 // seconds

const port = Number(process.argv[2])
const level = Number(process.argv[3])
let client

function fail (error) {
  // Written at once, since exit drops what a pipe has not taken yet.
  require('node:fs').writeSync(1, `error ${error?.message ?? error}\n`)
  process.exit(1)
}

const commands = {
  async connect (clientId, clean, ...will) {
    const options = {
      host: '127.0.0.1',
      port,
      protocolVersion: level,
      protocolId: level === 3 ? 'MQIsdp' : 'MQTT',
      clientId,
      clean: clean === '1',
      connectTimeout: PATIENCE,
      reconnectPeriod: 0
    }
    if (level === 5 && clean === '0') options.properties = { sessionExpiryInterval: SESSION_EXPIRY }
    if (will.length > 0) {
      options.will = { topic: will[0], qos: Number(will[1]), retain: will[2] === '1', payload: will[3] }
    }
    client = mqtt.connect(options)
    client.on('message', (topic, payload, packet) => {
      console.log(`message ${topic} ${packet.qos} ${packet.retain ? 1 : 0} ${payload}`)
    })
    client.on('error', fail)
    client.on('close', () => fail('the connection is closed'))
    const [ack] = await once(client, 'connect')
    return `connected ${ack.sessionPresent ? 1 : 0}`
  },

  async subscribe (filter, qos) {
    const [granted] = await client.subscribeAsync(filter, { qos: Number(qos) })
    return `subscribed ${granted.qos}`
  },

  async publish (topic, qos, retain, payload = '') {
    await client.publishAsync(topic, payload, { qos: Number(qos), retain: retain === '1' })
    return 'published'
  },

  async disconnect () {
    client.removeAllListeners('close')
    await client.endAsync()
    return 'disconnected'
  }
}

async function main () {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const [name, ...fields] = line.split(' ')
    const patience = setTimeout(() => fail(`${line}: no answer`), PATIENCE)
    const answer = await commands[name](...fields)
    clearTimeout(patience)
    console.log(answer)
  }
  process.exit(0)
}

main().catch(fail)
