// Connects mqtt.js to the URL in argv, with the certificate authority in the file behind it, and prints
// what it has sent itself. NODE_PATH names the folder with the package.
'use strict'

const fs = require('node:fs')
const mqtt = require('mqtt')

const [url, ca] = process.argv.slice(2)
const client = mqtt.connect(url, { protocolVersion: 5, reconnectPeriod: 0, connectTimeout: 20_000, ca: fs.readFileSync(ca) })

function fail (error) {
  fs.writeSync(1, `error ${error?.message ?? error}\n`)
  process.exit(1)
}

client.on('error', fail)
client.on('connect', () => {
  client.subscribe('own', { qos: 2 }, (error) => {
    if (error) fail(error)
    client.publish('own', 'hello', { qos: 2 })
  })
})
client.on('message', (topic, payload) => {
  fs.writeSync(1, `received ${payload}\n`)
  client.end(false, () => process.exit(0))
})
setTimeout(() => fail('nothing has come'), 20_000).unref()
